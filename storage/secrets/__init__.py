"""What is encrypted or signed: tokens, the keys file, links.

It may import `service/vocabulary`.
"""
