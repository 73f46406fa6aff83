"""Bounds the memory of request bodies that are still being received.

Theory of operation
-------------------

A body is held in memory until it is complete, so a caller who never finishes one holds memory for
as long as the request lasts. All such bodies share one budget (`server.max_pending_body_bytes`,
spec 3). A holder is a credential or an address; one holder may have at most a quarter of the budget.

    under 1 MiB     is held as it arrives, and never waits
    larger          waits up to 10 s for room for all of it, else a 503; where no length was
                    declared, it waits again for each further MiB
    when full       the slowest body ends with a 408: at once if a small one arrives, and after
                    2 s if larger ones wait

The slowest body is the one that has received least lately: each byte counts half after 5 s. A body
that has just begun, or that is itself waiting for room, is ended last.

Waiting bodies are admitted in order of arrival. One whose holder has reached its quarter is passed
over, so that it holds up only that holder.
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
PATIENCE_SECONDS = 2.0  # until a waiting body ends slower ones; as long a body counts as new
AGAIN_SECONDS = 1.0
HALF_LIFE_SECONDS = 5.0  # after which a received byte counts half
HOLDERS_PER_BUDGET = 4
_RETRY_AFTER_SECONDS = 10.0


class PendingBody:
    """One body while it is received. `held` is the number of bytes that it holds of the budget."""

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
        """Count bytes that have arrived."""
        self._lately = self.lately() + size_bytes
        self._counted_at = self._bodies.now()

    def lately(self) -> float:
        """Return the bytes received, with those of long ago counting less."""
        passed = self._bodies.now() - self._counted_at
        return self._lately * math.pow(0.5, passed / HALF_LIFE_SECONDS)

    def standing(self) -> tuple[bool, float]:
        """Return the sort key of bodies, the slowest first."""
        is_new = self._bodies.now() < self._began_at + PATIENCE_SECONDS
        return is_new or self.is_waiting, self.lately()

    async def hold(self, size_bytes: int) -> None:
        """Hold so many bytes in all, including those held already; may wait for room.

        Raises:
            OverloadedError: there was no room in time.
        """
        if size_bytes > self.held:
            await self._bodies.take(self, size_bytes - self.held)

    async def hold_next(self, size_bytes: int, new_bytes: int) -> None:
        """Count new bytes, and hold all that have come; for a larger body the next MiB as well.

        Raises:
            OverloadedError: there was no room in time.
        """
        self.came(new_bytes)
        if size_bytes > self.held:
            await self.hold(size_bytes if size_bytes <= SMALL_BYTES else size_bytes + SMALL_BYTES)

    def end(self) -> None:
        """End this body to make room; its task then releases what it holds."""
        self.is_ending = True
        self._end()


class _Waiting:
    """A body that waits for so many more bytes."""

    def __init__(self, body: PendingBody, size_bytes: int) -> None:
        self.body = body
        self.size_bytes = size_bytes
        self.granted = asyncio.get_running_loop().create_future()


class PendingBodies:
    """The budget of one process.

    Args:
        max_bytes: for all bodies; at least one body of any allowed size fits.
        max_body_bytes: for one body.
        clock: monotonic seconds; None takes the running loop's clock.
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
        """Return the time on the clock that the bodies share."""
        return self._clock() if self._clock else asyncio.get_running_loop().time()

    @contextmanager
    def one_more(self, holders: Collection[str], end: Callable[[], None]) -> Iterator[PendingBody]:
        """Count a body for as long as the block runs.

        Args:
            holders: whose shares it counts against.
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
                self._serve()  # admit those behind it

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
        """Return the holder without room for so many bytes, "" if the budget has none, else None."""
        for holder in body.holders:
            if self._by_holder[holder] + size_bytes > self._max_held:
                return holder
        return "" if self.held + size_bytes > self._max_bytes else None

    def _serve(self) -> None:
        """Admit waiting bodies that fit, in order; pass over those whose holder has too much."""
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
# The same for forms, which are held on disk while they are received.
PENDING_FORMS = web.AppKey("PENDING_FORMS", PendingBodies)
# Set only while a body has not arrived with the head of its request.
PENDING_BODY = web.RequestKey("PENDING_BODY", PendingBody)
