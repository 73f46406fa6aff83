"""An account's concurrent turns, shared by all processes.

It may import `service/ports`, `service/settings`, `service/vocabulary`.
"""
