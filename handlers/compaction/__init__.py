"""Items that stand for a long conversation, in the Responses API.

It may import `handlers/answering`, `handlers/background`, `handlers/edge`, `handlers/reading`,
`handlers/responses`, `service/answers`, `service/keys`, `service/pipeline`, `service/random_ids`,
`service/stages/encode`, `service/turns`, `service/vocabulary`.
"""
