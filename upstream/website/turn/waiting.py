"""The wait for what a stored conversation gets later: its limits, its clock and its pauses."""

import asyncio
from typing import Protocol

from msgspec import Struct

FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 2.0, 4.0
_GROWTH = 1.2


class Clock(Protocol):
    """A clock that tells the time and lets it pass."""

    def now(self) -> float:
        """Return monotonic seconds."""

    async def pause(self, seconds: float, until: asyncio.Event) -> None:
        """Wait this long, or until the event is set."""


class LoopClock:
    """The clock of the event loop."""

    def now(self) -> float:
        """Return the event loop's time."""
        return asyncio.get_running_loop().time()

    async def pause(self, seconds: float, until: asyncio.Event) -> None:
        """Wait this long, or until the event is set."""
        try:
            async with asyncio.timeout(seconds):
                await until.wait()
        except TimeoutError:
            return


class Wait(Struct, frozen=True):
    """The wait of one turn.

    `sent` has the ids of the messages that the turn sent, `deadline` is a time of `clock`,
    `closing` is set when this gateway is stopping, and `idle_seconds` is how long nothing may
    change.
    """

    sent: frozenset[str]
    deadline: float
    closing: asyncio.Event
    idle_seconds: float
    clock: Clock


class Pauses:
    """The growing pauses between polls; one instance per wait."""

    def __init__(self, wait: Wait) -> None:
        self._wait = wait
        self._seconds = FIRST_PAUSE_SECONDS

    async def until(self, end: float, at_most: float = LAST_PAUSE_SECONDS) -> bool:
        """Wait until the next poll is due, which may be the last one, at `end`.

        Args:
            end: the time of the last poll, on the wait's clock.
            at_most: the longest pause, in seconds.

        Returns:
            Whether there is time for another poll.
        """
        left = end - self._wait.clock.now()
        if left <= 0:
            return False
        await self._wait.clock.pause(min(self._seconds, left, at_most), self._wait.closing)
        self._seconds = min(self._seconds * _GROWTH, LAST_PAUSE_SECONDS)
        return True
