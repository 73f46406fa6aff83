"""How many turns and calls an account may run at once, in all processes together.

It may import `service/ports`, `service/settings`, `service/vocabulary`.
"""
