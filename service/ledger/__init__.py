"""Budgets of gateway keys around the port `Turns`, and the log of calls, written in the background.

It may import `service/observing`, `service/ports`, `service/vocabulary`.
"""
