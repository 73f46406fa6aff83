"""A clock that moves only while a turn waits on it, and waits that use it."""

import asyncio
from typing import Any

from upstream.website.turn.waiting import Wait


class ManualClock:
    """A clock whose pauses end at once and are noted; the event is set in pause `stop_after`."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.pauses: list[float] = []
        self._now = 0.0
        self._stop_after = stop_after

    def now(self) -> float:
        return self._now

    async def pause(self, seconds: float, until: asyncio.Event) -> None:
        self.pauses.append(seconds)
        self._now += seconds
        if len(self.pauses) == self._stop_after:
            until.set()


def wait_of(clock: ManualClock, **fields: Any) -> Wait:
    """Return a wait on this clock: two minutes of silence, half an hour in all."""
    given = {
        "sent": frozenset({"q1"}),
        "deadline": 1800.0,
        "closing": asyncio.Event(),
        "idle_seconds": 120.0,
        "clock": clock,
        **fields,
    }
    return Wait(**given)
