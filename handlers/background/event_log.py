"""The events of a response that is written in the background, on their way into the store.

They are kept a few times a second, so a follower is that far behind, and an event costs no round
trip of its own. While the store does not answer, they wait here, up to a limit.
"""

import asyncio
from contextlib import suppress

from service.turns.kept_events import EventPart, KeptEvents

PAUSE_SECONDS = 0.25  # between two parts
MAX_PART_BYTES = 256 * 1024  # unless one event is larger
MAX_WAITING_BYTES = 8 * 1024 * 1024  # beyond that the rest is not kept


class EventLog:
    """The events of one response; `run` keeps them beside its writer."""

    def __init__(self, kept: KeptEvents) -> None:
        self._kept = kept
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._sealed: EventPart | None = None  # kept unchanged, as the store may have it already
        self._is_broken = False
        self._count = 0  # of the parts that are kept
        self._news = asyncio.Condition()

    def add(self, frames: bytes) -> None:
        """Take whole events."""
        if not frames or self._is_broken:
            return
        self._waiting.append(frames)
        self._waiting_bytes += len(frames)
        if self._waiting_bytes > MAX_WAITING_BYTES:
            self._give_up()

    async def run(self) -> None:
        """Keep what was added, again and again, until cancelled."""
        while True:
            await self._flush()
            await asyncio.sleep(PAUSE_SECONDS)

    async def end(self, frames: bytes) -> None:
        """Keep what was added and the last events; call it when `run` has ended."""
        await self._flush()
        if self._sealed is not None:
            self._give_up()
        if not self._is_broken:
            await self._keep(EventPart(frames, is_last=True))

    async def wait(self, number: int, seconds: float) -> None:
        """Wait until the part of this number is kept, but not longer than so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._news:
                await self._news.wait_for(lambda: self._count > number)

    async def _flush(self) -> None:
        while (part := self._next()) is not None:
            if not await self._keep(part):
                return  # the store does not answer; the next time
            self._sealed = None

    def _next(self) -> EventPart | None:
        """Return the part that is to be kept next, or None."""
        if self._sealed is None and self._waiting:
            taken, size = 0, 0
            while taken < len(self._waiting) and size < MAX_PART_BYTES:
                size += len(self._waiting[taken])
                taken += 1
            self._sealed = EventPart(b"".join(self._waiting[:taken]))
            del self._waiting[:taken]
            self._waiting_bytes -= size
        return self._sealed

    async def _keep(self, part: EventPart) -> bool:
        if not await self._kept.add(self._count, part):
            return False
        self._count += 1
        async with self._news:
            self._news.notify_all()
        return True

    def _give_up(self) -> None:
        """Keep no more: followers learn that events are missing."""
        self._is_broken, self._sealed = True, None
        self._waiting.clear()
