"""What an account may ask for on Codex's back end, and how much of it is left.

It may import `service/observing`, `service/ports`, `service/settings`, `service/stages/codex`,
`service/upstream_errors`, `service/vocabulary`, `upstream/codex/connection`,
`upstream/codex/payload`, `upstream/slots`.
"""
