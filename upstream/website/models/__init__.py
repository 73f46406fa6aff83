"""Models and GPTs of an account.

It may import `service/ports`, `service/settings`, `service/vocabulary`, `upstream/http`,
`upstream/website/payload`.
"""
