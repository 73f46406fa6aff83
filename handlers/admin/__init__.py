"""`/admin/…`: accounts, signing in, keys, calls and totals, for the operator.

It may import `handlers/about`, `handlers/edge`, `handlers/reading`, `service/admin`,
`service/answers`, `service/keys`, `service/vocabulary`.
"""
