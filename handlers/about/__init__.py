"""Health, models, accounts, billing.

It may import `handlers/edge`, `handlers/reading`, `service/answers`, `service/keys`,
`service/observing`, `service/ports`, `service/settings`, `service/version`,
`service/vocabulary`.
"""
