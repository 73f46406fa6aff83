"""Small shared values: SQLite and Redis behind one interface.

It may import `service/ports`, `service/vocabulary`.
"""
