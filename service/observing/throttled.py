"""Limits warnings that each request would repeat while something is broken (spec 12)."""

import time
from collections.abc import Callable

SECONDS = 60.0  # between two warnings of the same kind
MAX_KINDS = 1000


class Throttled:
    """Lets each kind of warning through once a minute.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next: dict[str, float] = {}

    def is_due(self, kind: str) -> bool:
        """Tell whether this kind may be logged now; if so, not again for a minute."""
        now = self._clock()
        if now < self._next.get(kind, now):
            return False
        if len(self._next) >= MAX_KINDS:
            self._next.clear()
        self._next[kind] = now + SECONDS
        return True
