"""The version, once: `--version`, `User-Agent`, and (a test compares) `pyproject.toml`."""

import hashlib

VERSION = "0.1.0"
# The `system_fingerprint` of all answers of this version.
FINGERPRINT = f"fp_{hashlib.sha256(VERSION.encode()).hexdigest()[:10]}"
