"""Around every request: ids, keys, limits, CORS, the log line, errors as JSON.

It may import `handlers/reading`, `service/connections`, `service/keys`, `service/observing`,
`service/pipeline`, `service/settings`, `service/stages/encode`, `service/stages/render`,
`service/vocabulary`.
"""
