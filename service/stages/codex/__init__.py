"""Events of Codex's back end to deltas.

It may import `service/stages/decode`, `service/upstream_errors`, `service/vocabulary`.
"""
