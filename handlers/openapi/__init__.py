"""The description of the API: endpoints, fields, answers.

It may import `handlers/audio`, `handlers/chat`, `handlers/edge`, `handlers/files`,
`handlers/images`, `handlers/reading`, `handlers/responses`, `service/keys`, `service/observing`,
`service/orders`, `service/version`, `service/vocabulary`.
"""
