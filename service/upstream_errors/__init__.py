"""Error bodies of the upstreams, and what each means to the caller.

It may import `service/vocabulary`.
"""
