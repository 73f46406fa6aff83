"""Typed requests to the JSON of Codex's back end.

It may import `service/vocabulary`.
"""
