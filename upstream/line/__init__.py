"""The line: bodies of answers, pushed as they arrive through the stages into a sink.

It may import `service/settings`, `service/sink`, `service/vocabulary`.
"""
