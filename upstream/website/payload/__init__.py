"""Typed requests to the website's JSON.

It may import `service/random_ids`, `service/vocabulary`.
"""
