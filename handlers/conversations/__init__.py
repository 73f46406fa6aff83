"""Conversations that callers keep here, and their items.

It may import `handlers/background`, `handlers/edge`, `handlers/reading`, `handlers/responses`,
`service/answers`, `service/keys`, `service/random_ids`, `service/turns`, `service/vocabulary`.
"""
