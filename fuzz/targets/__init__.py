"""One module for each target, with the target's name.

A target has `check(data)`, which raises for a broken invariant and for nothing else; `TOKENS`, the
words of its language; `MAX_BYTES` of an input; and `seeds()`, the inputs to start with, by name.
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
    """The members of a target's module."""

    TOKENS: tuple[bytes, ...]
    MAX_BYTES: int

    def check(self, data: bytes) -> None:
        """Raise for a broken invariant."""

    def seeds(self) -> dict[str, bytes]:
        """Return the inputs to start with, by name."""


def load(name: str) -> Target:
    """Return the target of this name."""
    return cast(Target, import_module(f"fuzz.targets.{name}"))
