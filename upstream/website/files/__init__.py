"""Uploads to the website, and files and pictures from it.

It may import `service/files`, `service/observing`, `service/ports`, `service/settings`,
`service/sink`, `service/upstream_errors`, `service/vocabulary`, `upstream/fetching`,
`upstream/http`, `upstream/website/payload`.
"""
