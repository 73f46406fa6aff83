"""Files that callers upload, and stored pictures and files.

It may import `handlers/answering`, `handlers/edge`, `handlers/reading`, `service/answers`,
`service/keys`, `service/ports`, `service/settings`, `service/vocabulary`.
"""
