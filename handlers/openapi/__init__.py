"""The OpenAPI description: endpoints, fields, answers.

It may import `handlers/about`, `handlers/admin`, `handlers/audio`, `handlers/chat`,
`handlers/compaction`, `handlers/console`, `handlers/conversations`, `handlers/edge`,
`handlers/files`, `handlers/images`, `handlers/messages`, `handlers/reading`, `handlers/responses`,
`service/answers`, `service/connections`, `service/keys`, `service/orders`, `service/version`,
`service/vocabulary`.
"""
