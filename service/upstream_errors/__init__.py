"""Error bodies of the upstreams, translated for callers.

It may import `service/vocabulary`.
"""
