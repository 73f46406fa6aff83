"""Functions and JSON that a caller demanded: told, checked, asked for again.

It may import `service/ports`, `service/stages/function_calls`, `service/vocabulary`.
"""
