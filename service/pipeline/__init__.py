"""The stages joined in a line, the fast lane beside them, and token counts.

It may import `service/sink`, `service/stages`, `service/vocabulary`.
"""
