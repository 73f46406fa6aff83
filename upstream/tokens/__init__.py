"""Refresh tokens exchanged for access tokens, which are kept and shared.

It may import `service/observing`, `service/ports`, `service/settings`, `service/version`,
`service/vocabulary`, `upstream/http`.
"""
