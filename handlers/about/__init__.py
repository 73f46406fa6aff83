"""Health, models, accounts, billing.

It may import `handlers/edge`, `service/keys`, `service/observing`, `service/ports`,
`service/version`, `service/vocabulary`.
"""
