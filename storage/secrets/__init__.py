"""Encryption and signatures: stored tokens, the file of keys, links.

It may import `service/vocabulary`.
"""
