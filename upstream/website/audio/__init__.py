"""Speech and transcriptions of the website.

It may import `service/orders`, `service/ports`, `service/upstream_errors`, `service/vocabulary`,
`upstream/fetching`, `upstream/http`, `upstream/slots`, `upstream/website/files`.
"""
