"""The version, once: `--version`, `User-Agent`, and (a test compares) `pyproject.toml`."""

VERSION = "0.1.0"
