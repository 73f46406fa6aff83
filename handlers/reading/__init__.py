"""Reads request bodies into typed fields, or answers a 400 that names the place.

It may import `service/demands`, `service/files`, `service/vocabulary`.
"""
