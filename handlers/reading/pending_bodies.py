"""The bodies of requests that are being received: what they may hold of this process's memory.

A body is held in memory until it can be read, so whoever sends one and never ends it holds what
came of it. All such bodies share one budget (`server.max_pending_body_bytes`, spec 3), of which one
holder, a credential or an address, has at most a quarter:

    under 1 MiB     held as it comes, and never waits
    larger          waits up to 10 s for room for all of it, then it is a 503; where no length was
                    declared, for each further MiB
    when full       the slowest body ends with a 408: at once if a small one comes, and after 2 s
                    if larger ones wait

Slow is what has received least of late: each byte counts half after 5 s. A body that has just begun
and one that waits for room itself go last.
"""

import asyncio
import math
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from aiohttp import web

from service.vocabulary.errors import OverloadedError

SMALL_BYTES = 1024 * 1024
WAIT_SECONDS = 10.0
PATIENCE_SECONDS = 2.0  # before a body that waits ends slower ones, and of one that has begun
AGAIN_SECONDS = 1.0
HALF_LIFE_SECONDS = 5.0  # of what a received byte counts for
HOLDERS_PER_BUDGET = 4
_RETRY_AFTER_SECONDS = 10.0


class PendingBody:
    """One body while it is received. `held` bytes of the budget are its own."""

    def __init__(
        self, bodies: "PendingBodies", holders: Collection[str], end: Callable[[], None]
    ) -> None:
        self.held = 0
        self.holders = holders
        self.is_ending = False
        self.is_waiting = False
        self._bodies = bodies
        self._end = end
        self._began_at = self._counted_at = bodies.now()
        self._lately = 0.0

    def came(self, size_bytes: int) -> None:
        """Note bytes that have arrived."""
        self._lately = self.lately() + size_bytes
        self._counted_at = self._bodies.now()

    def lately(self) -> float:
        """Return the bytes that came, those of long ago for less."""
        passed = self._bodies.now() - self._counted_at
        return self._lately * math.pow(0.5, passed / HALF_LIFE_SECONDS)

    def standing(self) -> tuple[bool, float]:
        """Return what the slowest body is the least by."""
        is_new = self._bodies.now() < self._began_at + PATIENCE_SECONDS
        return is_new or self.is_waiting, self.lately()

    async def hold(self, size_bytes: int) -> None:
        """Hold so many bytes in all, those held already included; may wait for room.

        Raises:
            OverloadedError: there was none in time.
        """
        if size_bytes > self.held:
            await self._bodies.take(self, size_bytes - self.held)

    async def hold_next(self, size_bytes: int, new_bytes: int) -> None:
        """Hold what has come, of which so many bytes are new, and of a larger body the next MiB.

        Raises:
            OverloadedError: there was no room in time.
        """
        self.came(new_bytes)
        if size_bytes > self.held:
            await self.hold(size_bytes if size_bytes <= SMALL_BYTES else size_bytes + SMALL_BYTES)

    def end(self) -> None:
        """End this body for the sake of others; its task gives back what it holds."""
        self.is_ending = True
        self._end()


class _Waiting:
    """A body that waits for so many bytes more."""

    def __init__(self, body: PendingBody, size_bytes: int) -> None:
        self.body = body
        self.size_bytes = size_bytes
        self.granted = asyncio.get_running_loop().create_future()


class PendingBodies:
    """The budget of one process.

    Args:
        max_bytes: of all bodies; at least one body of any allowed size fits.
        max_body_bytes: of one body.
        clock: monotonic seconds; None takes those of the running loop.
    """

    def __init__(
        self, max_bytes: int, max_body_bytes: int, clock: Callable[[], float] | None = None
    ) -> None:
        self.held = 0
        self._max_bytes = max(max_bytes, max_body_bytes)
        self._max_held = max(max_bytes // HOLDERS_PER_BUDGET, max_body_bytes)
        self._clock = clock
        self._by_holder: Counter[str] = Counter()
        self._bodies: set[PendingBody] = set()
        self._waiting: deque[_Waiting] = deque()

    def now(self) -> float:
        """Return the time that bodies are compared by."""
        return self._clock() if self._clock else asyncio.get_running_loop().time()

    @contextmanager
    def one_more(self, holders: Collection[str], end: Callable[[], None]) -> Iterator[PendingBody]:
        """Count a body for as long as the block runs.

        Args:
            holders: on whose account it is.
            end: called to end the block when others need the room.
        """
        body = PendingBody(self, holders, end)
        self._bodies.add(body)
        try:
            yield body
        finally:
            self._bodies.remove(body)
            self._hold(body, -body.held)
            self._serve()

    async def take(self, body: PendingBody, size_bytes: int) -> None:
        """Let a body hold more.

        Raises:
            OverloadedError: there was no room in time.
        """
        if body.held + size_bytes <= SMALL_BYTES:
            self._hold(body, size_bytes)
            self._end_slowest(body, self.held - self._max_bytes, None)
        else:
            await self._wait(body, size_bytes)

    async def _wait(self, body: PendingBody, size_bytes: int) -> None:
        waiting = _Waiting(body, size_bytes)
        self._waiting.append(waiting)
        self._serve()
        body.is_waiting, seconds = True, PATIENCE_SECONDS
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                while not (await asyncio.wait({waiting.granted}, timeout=seconds))[0]:
                    self._make_room(body, size_bytes)
                    seconds = AGAIN_SECONDS
        except TimeoutError:
            message = "This server is receiving too many large requests now; please try again."
            raise OverloadedError(message, retry_after_seconds=_RETRY_AFTER_SECONDS) from None
        finally:
            body.is_waiting = False
            if waiting in self._waiting:
                self._waiting.remove(waiting)
                self._serve()  # those behind it

    def _make_room(self, body: PendingBody, size_bytes: int) -> None:
        holder = self._lacking(body, size_bytes)
        if holder:
            needed = self._by_holder[holder] + size_bytes - self._max_held
            self._end_slowest(body, needed, holder)
        else:
            self._end_slowest(body, self.held + size_bytes - self._max_bytes, None)

    def _end_slowest(self, sparing: PendingBody, size_bytes: int, holder: str | None) -> None:
        """End the slowest bodies, of one holder or of all, until so many bytes will be free."""
        among = [
            body
            for body in self._bodies
            if body is not sparing and body.held and (holder is None or holder in body.holders)
        ]
        size_bytes -= sum(body.held for body in among if body.is_ending)
        for body in sorted(among, key=PendingBody.standing):
            if size_bytes <= 0:
                return
            if not body.is_ending:
                size_bytes -= body.held
                body.end()

    def _lacking(self, body: PendingBody, size_bytes: int) -> str | None:
        """Return whose share has no room for so many bytes, "" for the whole, None if they fit."""
        for holder in body.holders:
            if self._by_holder[holder] + size_bytes > self._max_held:
                return holder
        return "" if self.held + size_bytes > self._max_bytes else None

    def _serve(self) -> None:
        """Let those in that fit, in order; one whose holder has too much stops nobody else."""
        for waiting in tuple(self._waiting):
            lacking = self._lacking(waiting.body, waiting.size_bytes)
            if lacking == "":
                return
            if lacking is None:
                self._waiting.remove(waiting)
                self._hold(waiting.body, waiting.size_bytes)
                waiting.granted.set_result(None)

    def _hold(self, body: PendingBody, size_bytes: int) -> None:
        body.held += size_bytes
        self.held += size_bytes
        self._by_holder.update(dict.fromkeys(body.holders, size_bytes))
        for holder in body.holders:
            if not self._by_holder[holder]:
                del self._by_holder[holder]


PENDING_BODIES = web.AppKey("PENDING_BODIES", PendingBodies)
# The same for forms, which are held on the disk while they are received.
PENDING_FORMS = web.AppKey("PENDING_FORMS", PendingBodies)
# Only there while a body has not arrived with the head of its request.
PENDING_BODY = web.RequestKey("PENDING_BODY", PendingBody)
