"""Files that callers name by URL, fetched behind a guard.

It may import `service/files`, `service/observing`, `service/ports`, `service/settings`,
`service/vocabulary`, `upstream/http`.
"""
