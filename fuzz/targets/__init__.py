"""One module for each target, named as it is.

A target has `check(data)`, which raises for a broken invariant and for nothing else;
`TOKENS`, the words of its language for the fuzzer; `MAX_BYTES` of an input; and
`seeds()`, the inputs to begin with, by name.
"""

from importlib import import_module
from typing import Protocol, cast

NAMES = (
    "sse",
    "delta",
    "markers",
    "turns",
    "codex",
    "pipeline",
    "calls",
    "chat",
    "responses",
    "completions",
    "images",
    "config",
    "multipart",
    "scrub",
    "linear",
)


class Target(Protocol):
    """What a module of this package has."""

    TOKENS: tuple[bytes, ...]
    MAX_BYTES: int

    def check(self, data: bytes) -> None:
        """Raise for a broken invariant."""

    def seeds(self) -> dict[str, bytes]:
        """Return inputs to begin with, by name."""


def load(name: str) -> Target:
    """Return a target by its name."""
    return cast(Target, import_module(f"fuzz.targets.{name}"))
