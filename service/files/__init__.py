"""Names and disk space of files, for all who keep some.

It may import `service/vocabulary`.
"""
