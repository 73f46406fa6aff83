"""The log of calls and their sums: SQLite and Redis behind one port.

It may import `service/vocabulary`, `storage/state`.
"""
