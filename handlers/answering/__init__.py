"""Answers as a stream or whole, for every dialect, and byte ranges.

It may import `handlers/edge`, `service/answers`, `service/demands`, `service/keys`,
`service/pipeline`, `service/ports`, `service/settings`, `service/sink`, `service/stages/encode`,
`service/stages/render`, `service/vocabulary`.
"""
