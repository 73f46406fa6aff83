"""Connections of callers: malformed HTTP, heads that never end, callers that close their side.

It may import `service/random_ids`, `service/vocabulary`.
"""
