"""Image generation and speech, built on turns.

It may import `service/answers`, `service/pipeline`, `service/settings`, `service/stages/encode`,
`service/stages/render`, `service/upstream_errors`, `service/vocabulary`.
"""
