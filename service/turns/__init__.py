"""Layers around the port `Turns`; limits of keys and kept responses.

It may import `service/pipeline`, `service/ports`, `service/sink`, `service/vocabulary`.
"""
