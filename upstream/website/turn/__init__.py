"""One turn with the website: sent, read, resumed, stopped, hidden.

It may import `service/files`, `service/observing`, `service/orders`, `service/pipeline`,
`service/ports`, `service/settings`, `service/sink`, `service/stages/decode`,
`service/stages/translate`, `service/vocabulary`, `upstream/fetching`, `upstream/http`,
`upstream/line`, `upstream/slots`, `upstream/website/files`, `upstream/website/models`,
`upstream/website/payload`.
"""
