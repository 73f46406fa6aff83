"""Pictures and speech on order, on top of a turn.

It may import `service/answers`, `service/pipeline`, `service/settings`, `service/stages/encode`,
`service/stages/render`, `service/upstream_errors`, `service/vocabulary`.
"""
