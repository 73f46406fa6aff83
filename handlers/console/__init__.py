"""The console page: plain files, served as they are.

It may import `handlers/edge`, `service/answers`, `service/keys`, `service/settings`,
`service/version`.
"""
