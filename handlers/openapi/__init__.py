"""The OpenAPI description: endpoints, fields, answers.

It may import `handlers/about`, `handlers/audio`, `handlers/chat`, `handlers/console`,
`handlers/edge`, `handlers/files`, `handlers/images`, `handlers/reading`, `handlers/responses`,
`service/answers`, `service/keys`, `service/observing`, `service/orders`, `service/version`,
`service/vocabulary`.
"""
