"""The demo of the Codex upstream: its login, models, limits, answers and pictures.

It imports nothing of the demo but its ground.
"""
