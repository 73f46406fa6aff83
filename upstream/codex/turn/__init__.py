"""One turn with Codex's back end: sent, tried again, read.

It may import `service/files`, `service/observing`, `service/ports`, `service/settings`,
`service/sink`, `service/stages/codex`, `service/upstream_errors`, `service/vocabulary`,
`upstream/codex/account`, `upstream/codex/connection`, `upstream/codex/payload`,
`upstream/fetching`, `upstream/http`, `upstream/line`, `upstream/slots`.
"""
