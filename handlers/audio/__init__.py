"""Speech and transcriptions.

It may import `handlers/edge`, `handlers/reading`, `service/answers`, `service/keys`,
`service/orders`, `service/ports`, `service/settings`, `service/stages/encode`,
`service/vocabulary`.
"""
