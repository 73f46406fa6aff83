"""Bytes of an upstream to typed events.

It may import `service/upstream_errors`, `service/vocabulary`.
"""
