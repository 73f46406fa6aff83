"""Events to deltas: what is answer, tool or hidden, and how a turn ends.

It may import `service/stages/decode`, `service/stages/markup`, `service/upstream_errors`,
`service/vocabulary`.
"""
