"""Names of files and writing to disk, for all rooms that store files.

It may import `service/vocabulary`.
"""
