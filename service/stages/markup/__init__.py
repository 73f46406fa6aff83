"""Replaces the website's citations, links, words and markup in an answer's text.

It may import `service/vocabulary`.
"""
