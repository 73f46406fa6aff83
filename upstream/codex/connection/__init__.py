"""Calls to Codex's back end, under the gateway's own name.

It may import `service/settings`, `service/upstream_errors`, `service/vocabulary`, `upstream/http`,
`upstream/line`.
"""
