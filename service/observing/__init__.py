"""Logs, metrics, traces, redaction.

It may import `service/settings`, `service/vocabulary`, `service/version`.
"""
