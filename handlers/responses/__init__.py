"""The Responses API.

It may import `handlers/answering`, `handlers/background`, `handlers/edge`, `handlers/reading`,
`service/answers`, `service/demands`, `service/keys`, `service/pipeline`, `service/ports`,
`service/random_ids`, `service/settings`, `service/sink`, `service/stages/encode`, `service/turns`,
`service/vocabulary`.
"""
