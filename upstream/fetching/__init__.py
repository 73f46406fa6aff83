"""Files that a caller names by URL, behind a guard.

It may import `service/files`, `service/observing`, `service/ports`, `service/settings`,
`service/vocabulary`, `upstream/http`.
"""
