"""Fuzzing of all code that reads bytes from outside; see `python -m fuzz --help` and RESULTS.md."""
