"""Signing in by Codex's login, and out again.

It may import `service/admin`, `service/ports`, `service/settings`, `service/version`,
`service/vocabulary`, `upstream/http`, `upstream/tokens`.
"""
