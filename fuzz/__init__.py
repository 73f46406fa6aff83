"""Fuzzing of all that reads bytes from outside; `python -m fuzz --help`, figures in RESULTS.md."""
