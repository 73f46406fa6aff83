"""Translates the upstreams' answers, in pure stages: they never wait and do no I/O."""
