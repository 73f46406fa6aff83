"""The version, once: `--version`, `User-Agent`, and (a test compares) `pyproject.toml`."""

import hashlib

VERSION = "0.1.0"
# What answers name as `system_fingerprint`: answers of one version have one.
FINGERPRINT = f"fp_{hashlib.sha256(VERSION.encode()).hexdigest()[:10]}"
