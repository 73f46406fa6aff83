"""The meaning of the upstreams' answers, in pure stages: they wait for nothing and open nothing."""
