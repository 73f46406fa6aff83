"""Image generations, edits and variations.

It may import `handlers/answering`, `handlers/edge`, `handlers/reading`, `service/answers`,
`service/keys`, `service/orders`, `service/pipeline`, `service/ports`, `service/settings`,
`service/sink`, `service/stages/encode`, `service/vocabulary`.
"""
