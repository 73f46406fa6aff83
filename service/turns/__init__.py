"""What stands around the port `Turns`: kept responses, limits of keys, shared turns.

It may import `service/pipeline`, `service/ports`, `service/vocabulary`.
"""
