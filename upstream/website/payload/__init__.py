"""Typed requests turned into the website's JSON.

It may import `service/vocabulary`.
"""
