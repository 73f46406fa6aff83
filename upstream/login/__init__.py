"""Signing in by Codex's login, and out again.

It may import `service/settings`, `service/version`, `service/vocabulary`, `upstream/http`,
`upstream/tokens`.
"""
