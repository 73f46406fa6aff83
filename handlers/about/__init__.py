"""Health, models, accounts, billing.

It may import `handlers/edge`, `service/answers`, `service/keys`, `service/observing`,
`service/ports`, `service/version`, `service/vocabulary`.
"""
