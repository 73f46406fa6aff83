"""The limits of a gateway key: requests per minute, and requests at once.

Responses in the background are no requests: they have places of their own, see `background`.

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
from weakref import WeakValueDictionary

from service.ports import Lease, StateStore
from service.vocabulary.errors import KeyLimitError
from service.vocabulary.gateway_keys import GatewayKey

MINUTE_SECONDS = 60.0
# A caller who sends one request after the other must not collide with its own previous one; a place
# given back needs a moment to reach the store, too.
GRACE_SECONDS = 0.5
MAX_BACKGROUND = 20  # responses in the background of one owner, over all processes


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
        # By name and number of places; those that are taken are referred to.
        self._places: WeakValueDictionary[tuple[str, int], asyncio.Semaphore] = (
            WeakValueDictionary()
        )

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
        refused, limit = _too_many(key.concurrent_requests), key.concurrent_requests
        async with self._held(f"gateway key {key.id}", limit, refused):
            yield

    @asynccontextmanager
    async def background(
        self, owner: str, key: GatewayKey | None = None
    ) -> AsyncGenerator[None, None]:
        """Hold one of the places for an owner's responses in the background.

        A key has as many as it may have requests at once, as far as that is fewer.

        Raises:
            KeyLimitError: all places are taken.
        """
        limit = min(MAX_BACKGROUND, (key and key.concurrent_requests) or MAX_BACKGROUND)
        name = f"gateway key {key.id}" if key else owner
        async with self._held(f"background of {name}", limit, _too_many_behind(limit)):
            yield

    @asynccontextmanager
    async def _held(
        self, name: str, limit: int, refused: KeyLimitError
    ) -> AsyncGenerator[None, None]:
        """Hold one of the places of a name, here and over all processes; raise if none is free."""
        async with self._place(name, limit, refused), self._shared_place(name, limit, refused):
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
    async def _place(
        self, name: str, limit: int, refused: KeyLimitError
    ) -> AsyncGenerator[None, None]:
        places = self._places.setdefault((name, limit), asyncio.Semaphore(limit))
        try:
            async with asyncio.timeout(GRACE_SECONDS):
                await places.acquire()
        except TimeoutError:
            raise refused from None
        try:
            yield
        finally:
            places.release()

    @asynccontextmanager
    async def _shared_place(
        self, name: str, limit: int, refused: KeyLimitError
    ) -> AsyncGenerator[None, None]:
        slots = self._slots
        if slots is None:
            yield
            return
        since = asyncio.get_running_loop().time()
        lease = slots.lease(name)
        try:
            if not await slots.acquire(lease, limit, 0.0):
                await _wait(slots, lease, limit, since, refused)
            yield
        finally:
            slots.give_back(lease)


async def _wait(
    slots: Slots, lease: Lease, limit: int, since: float, refused: KeyLimitError
) -> None:
    try:
        async with asyncio.timeout(GRACE_SECONDS):
            await slots.wait(lease, limit, since)
    except TimeoutError:
        raise refused from None


def _too_often(limit: int, seconds: float) -> KeyLimitError:
    message = (
        f"Rate limit: this key may send {_requests(limit)} a minute; please try again shortly."
    )
    return KeyLimitError(message, retry_after_seconds=max(seconds, 1.0))


def _too_many(limit: int) -> KeyLimitError:
    message = f"Rate limit: this key may have {_requests(limit)} at once; please try again shortly."
    return KeyLimitError(message, retry_after_seconds=1.0)


def _too_many_behind(limit: int) -> KeyLimitError:
    message = (
        f"Rate limit: up to {limit} responses in the background at once for each caller; cancel "
        "one, or wait until one has ended."
    )
    return KeyLimitError(message, retry_after_seconds=5.0)


def _requests(number: int) -> str:
    return "1 request" if number == 1 else f"{number} requests"
