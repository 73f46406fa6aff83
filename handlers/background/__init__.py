"""Responses as they are kept and written: looked at, cancelled and followed, in any process.

It may import `handlers/answering`, `handlers/edge`, `service/answers`, `service/keys`,
`service/observing`, `service/pipeline`, `service/ports`, `service/sink`, `service/stages/encode`,
`service/turns`, `service/vocabulary`.
"""
