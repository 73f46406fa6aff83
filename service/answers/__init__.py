"""What callers are answered, as records for encoders and the description.

It may import `service/vocabulary`.
"""
