"""Captured streams: replayed, reported, scrubbed.

It may import `service/pipeline`, `service/stages`, `service/vocabulary`.
"""
