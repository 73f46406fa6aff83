"""The records of calls and of budgets, and the arithmetic of a budget's windows.

It may import `service/vocabulary`.
"""
