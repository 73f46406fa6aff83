"""Citations, links, words and markup of the website out of an answer's text.

It may import `service/vocabulary`.
"""
