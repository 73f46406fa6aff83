"""Anthropic's dialect: messages, and how many tokens they have.

It may import `handlers/answering`, `handlers/edge`, `handlers/reading`, `service/answers`,
`service/demands`, `service/keys`, `service/pipeline`, `service/random_ids`, `service/settings`,
`service/stages/encode`, `service/vocabulary`.
"""
