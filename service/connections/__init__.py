"""Connections of callers: what is no HTTP, heads that do not end, callers that end their side.

It may import `service/vocabulary`.
"""
