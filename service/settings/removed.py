"""Settings that were removed: they are still read, and reported once as without effect."""

from collections.abc import Mapping
from typing import Any

REMOVED = {
    "server.join_seconds": "only requests with an `Idempotency-Key` join a turn",
}


def without_removed(tree: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the tree without removed settings, and a note for each that was given."""
    left, notes = dict(tree), []
    for name, why in REMOVED.items():
        section, _, setting = name.partition(".")
        given = left.get(section)
        if isinstance(given, dict) and setting in given:
            left[section] = {key: value for key, value in given.items() if key != setting}
            notes.append(f"`{name}` has no effect any more: {why}")
    return left, notes
