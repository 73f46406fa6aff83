"""Codex's doors of the demo: its login, its back end, and their limits.

It may import `upstream/demo/ground`.
"""
