"""Pictures, files and uploads on disk or in a bucket.

It may import `service/files`, `service/vocabulary`.
"""
