"""Small values that processes share: SQLite and Redis behind one interface.

It may import `service/ports`, `service/vocabulary`.
"""
