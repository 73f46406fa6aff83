"""The version, once: `--version`, `User-Agent`, and (a test compares) `pyproject.toml`."""

import hashlib
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path

VERSION = "0.1.0"
# The `system_fingerprint` of all answers of this version.
FINGERPRINT = f"fp_{hashlib.sha256(VERSION.encode()).hexdigest()[:10]}"

# One of the modules that `make compiled` compiles.
_COMPILED = "service.pipeline.joined"


def how_it_runs(root: Path | None = None) -> str:
    """Return `interpreted` or `compiled`, as the stages of answers run, and a word for older sources.

    Args:
        root: the folder with the sources, for tests.
    """
    spec = find_spec(_COMPILED)
    suffix = EXTENSION_SUFFIXES[0]
    if root is None and (spec is None or not str(spec.origin).endswith(suffix)):
        return "interpreted"
    root = root or Path(__file__).parent.parent
    for room in ("handlers", "service", "upstream"):
        for library in (root / room).rglob(f"*{suffix}"):
            source = library.with_name(library.name.removesuffix(suffix) + ".py")
            if not source.exists() or source.stat().st_mtime > library.stat().st_mtime:
                return f"compiled, older than {source.relative_to(root)}: make compiled"
    return "compiled"
