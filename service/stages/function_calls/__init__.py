"""Calls of functions that a model wrote as text.

It may import `service/vocabulary`.
"""
