"""One file a dialect: rendered pieces to bytes.

It may import `service/answers`, `service/vocabulary`.
"""
