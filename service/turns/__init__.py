"""Layers around the port `Turns`; limits of keys, kept responses, sealed summaries.

It may import `service/pipeline`, `service/ports`, `service/sink`, `service/vocabulary`.
"""
