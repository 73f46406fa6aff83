"""The records of all answers, for encoders and for the OpenAPI document.

It may import `service/vocabulary`.
"""
