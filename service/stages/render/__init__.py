"""Profiles and limits: how deltas look, and where an answer is cut.

It may import `service/vocabulary`.
"""
