"""Refresh tokens to access tokens, kept and shared.

It may import `service/observing`, `service/ports`, `service/settings`, `service/version`,
`service/vocabulary`, `upstream/http`.
"""
