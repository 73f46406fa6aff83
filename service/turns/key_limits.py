"""The limits of a gateway key: requests per minute, and requests at once.

Theory of operation
-------------------

Each process enforces both limits by its own count. Where processes share a state store, the limits
also hold over all of them: each request takes a place in the store. A place for "at once" is given
back when the request ends; a place for "per minute" expires by itself. If the store does not
answer, the count of each process is all that holds.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from secrets import token_hex
from typing import Protocol

from service.ports import Lease, StateStore
from service.vocabulary.errors import KeyLimitError
from service.vocabulary.gateway_keys import GatewayKey

MINUTE_SECONDS = 60.0
# A caller who sends one request after the other must not collide with its own previous one; a place
# given back needs a moment to reach the store, too.
GRACE_SECONDS = 0.5


class Slots(Protocol):
    """Places that all processes share; see `upstream/slots/leases.py`."""

    def lease(self, account: str) -> Lease:
        """Return a lease to acquire; pass it to `give_back` whatever happens."""

    async def acquire(self, lease: Lease, limit: int, waited_seconds: float) -> bool:
        """Ask once for a place."""

    async def wait(self, lease: Lease, limit: int, since: float) -> None:
        """Ask until a place is granted; `since` is a time of the event loop's clock."""

    def give_back(self, lease: Lease) -> None:
        """Free the place, or leave the queue, in the background."""


class KeyLimits:
    """Enforces the limits of all keys.

    Args:
        state: the store that processes share, None if this one is alone.
        slots: likewise.
    """

    def __init__(self, state: StateStore | None = None, slots: Slots | None = None) -> None:
        self._state = state
        self._slots = slots
        self._began: dict[str, deque[float]] = {}  # by key: starts of the last minute
        self._places: dict[tuple[str, int], asyncio.Semaphore] = {}

    @asynccontextmanager
    async def admitted(self, key: GatewayKey) -> AsyncGenerator[None, None]:
        """Hold one of the key's places while the block runs.

        Raises:
            KeyLimitError: the key has reached a limit.
        """
        if key.requests_per_minute:
            await self._count(key)
        if not key.concurrent_requests:
            yield
            return
        async with self._place(key), self._shared_place(key):
            yield

    async def _count(self, key: GatewayKey) -> None:
        """Count a request or refuse it; a refused request is not counted."""
        limit, now = key.requests_per_minute, asyncio.get_running_loop().time()
        began = self._began.setdefault(key.id, deque())
        while began and began[0] <= now - MINUTE_SECONDS:
            began.popleft()
        if len(began) >= limit:
            raise _too_often(limit, began[-limit] + MINUTE_SECONDS - now)
        began.append(now)
        if self._state is None:
            return
        lease = Lease(f"rate:{key.id}", token_hex(8))
        if not await self._state.acquire(lease, limit, MINUTE_SECONDS):
            await self._state.release([lease])  # else it would stay in the queue
            began.remove(now)
            raise _too_often(limit, MINUTE_SECONDS / limit)

    @asynccontextmanager
    async def _place(self, key: GatewayKey) -> AsyncGenerator[None, None]:
        limit = key.concurrent_requests
        places = self._places.setdefault((key.id, limit), asyncio.Semaphore(limit))
        try:
            async with asyncio.timeout(GRACE_SECONDS):
                await places.acquire()
        except TimeoutError:
            raise _too_many(limit) from None
        try:
            yield
        finally:
            places.release()

    @asynccontextmanager
    async def _shared_place(self, key: GatewayKey) -> AsyncGenerator[None, None]:
        slots, limit = self._slots, key.concurrent_requests
        if slots is None:
            yield
            return
        since = asyncio.get_running_loop().time()
        lease = slots.lease(f"gateway key {key.id}")
        try:
            if not await slots.acquire(lease, limit, 0.0):
                await self._wait(slots, lease, limit, since)
            yield
        finally:
            slots.give_back(lease)

    async def _wait(self, slots: Slots, lease: Lease, limit: int, since: float) -> None:
        try:
            async with asyncio.timeout(GRACE_SECONDS):
                await slots.wait(lease, limit, since)
        except TimeoutError:
            raise _too_many(limit) from None


def _too_often(limit: int, seconds: float) -> KeyLimitError:
    message = (
        f"Rate limit: this key may send {_requests(limit)} a minute; please try again shortly."
    )
    return KeyLimitError(message, retry_after_seconds=max(seconds, 1.0))


def _too_many(limit: int) -> KeyLimitError:
    message = f"Rate limit: this key may have {_requests(limit)} at once; please try again shortly."
    return KeyLimitError(message, retry_after_seconds=1.0)


def _requests(number: int) -> str:
    return "1 request" if number == 1 else f"{number} requests"
