"""Bodies of requests to typed fields, or a 400 that names the place.

It may import `service/demands`, `service/files`, `service/vocabulary`.
"""
