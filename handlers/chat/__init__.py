"""Chat completions and completions.

It may import `handlers/answering`, `handlers/edge`, `handlers/reading`, `service/keys`,
`service/random_ids`, `service/stages/encode`, `service/version`, `service/vocabulary`.
"""
