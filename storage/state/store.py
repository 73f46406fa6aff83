"""The state store (spec 10): a backend chosen by URL, behind a wrapper that degrades.

What a backend cannot do now is answered as if there were no stored state, so the
service gets slower and never stops. Locks alone do not degrade: two that both go ahead
without one is what a lock is there to prevent. A lock is always held within this process
as well, which is enough for a process that shares its store with none.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar
from weakref import WeakValueDictionary

from service.ports import Bounds, Lease, StateStore
from service.vocabulary.errors import LockTimeoutError, StorageError
from storage.state.redis import RedisBackend
from storage.state.sqlite import SqliteBackend

logger = logging.getLogger(__name__)

CALL_SECONDS = 5.0  # over the backends' own limits; holds when a disk hangs
PAUSE_SECONDS = 1.0  # a backend that failed is not asked again for this long
LOG_SECONDS = 60.0
FIRST_POLL_SECONDS, LONGEST_POLL_SECONDS = 0.01, 0.2  # between tries to take a lock

_T = TypeVar("_T")


class SharedLock(Protocol):
    """A lock that all processes share, for one holder. Every method may raise StorageError."""

    async def attempt(self) -> bool:
        """Try once to take it; return whether it was had."""

    async def prolong(self) -> bool:
        """Show that its holder lives; return whether it is still held."""

    async def release(self) -> None:
        """Give it back, whether it was had or not."""


class Backend(Protocol):
    """What a store does while it works. Every method may raise StorageError."""

    async def get(self, key: str) -> bytes | None:
        """Return the value, or None when absent or expired."""

    async def set(self, key: str, value: bytes, ttl_seconds: float | None) -> None:
        """Store the value for `ttl_seconds` or for good."""

    async def delete(self, key: str) -> None:
        """Forget the value, if any."""

    async def keep(self, key: str, value: bytes, ttl_seconds: float, bounds: Bounds) -> None:
        """Store a value for an owner; the oldest go so that it fits."""

    async def forget(self, key: str) -> None:
        """Forget a value that is kept for an owner."""

    async def add(self, key: str, value: bytes, ttl_seconds: float | None) -> bool:
        """Store the value if there is none; return whether it was stored."""

    async def rewrite(self, prefix: str, change: Callable[[bytes], bytes | None]) -> int:
        """Change the values of all keys that begin so, and return how many were."""

    def lock(self, name: str, ttl_seconds: float) -> "SharedLock":
        """Return the lock of this name for one holder; it is not taken yet."""

    async def acquire(
        self, lease: Lease, limit: int, ttl_seconds: float, waited_seconds: float
    ) -> bool:
        """Take a place, prolong it, or stand in line for it; return whether it was had."""

    async def renew(self, leases: Collection[Lease], ttl_seconds: float) -> None:
        """Hold the places for `ttl_seconds` from now, whether they are known or not."""

    async def release(self, leases: Collection[Lease]) -> None:
        """Forget the places, held or waited for."""

    async def ping(self) -> None:
        """Do nothing, unless the store is dead."""

    async def close(self) -> None:
        """Release connections and files."""


def open_state(
    url: str, on_failure: Callable[[str], None], *, is_alone: bool = False
) -> StateStore:
    """Return the store that `url` names; it connects at first use.

    Args:
        url: `sqlite:PATH`, `redis://…`, `rediss://…` or `unix://…`.
        on_failure: called with the operation (`get`, `set`, `delete`, `add`, `rewrite`,
            `lock`, `unlock`, `acquire`, `renew`, `release`) each time that one was answered
            without the store.
        is_alone: no other process has this store, so that a lock which cannot be taken in it
            is held within this process alone.

    Raises:
        ValueError: no such kind of store, or a parameter nobody knows.
    """
    scheme, _, rest = url.partition(":")
    if scheme == "sqlite" and rest:
        return DegradingStore(SqliteBackend(Path(rest)), on_failure, is_alone=is_alone)
    if scheme in ("redis", "rediss", "unix"):
        return DegradingStore(RedisBackend(url), on_failure, is_alone=is_alone)
    raise ValueError("The state store must be sqlite:PATH, redis://…, rediss://… or unix://….")


class DegradingStore:
    """A StateStore that answers for a dead backend; see the port for how."""

    def __init__(
        self, backend: Backend, on_failure: Callable[[str], None], *, is_alone: bool = False
    ) -> None:
        self._backend = backend
        self._on_failure = on_failure
        self._is_alone = is_alone
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._no_reads_until = 0.0  # monotonic times
        self._no_writes_until = 0.0
        self._no_log_until = 0.0

    async def get(self, key: str) -> bytes | None:
        """Return the value, or None when absent, expired or out of reach."""
        return await self._tried("get", partial(self._backend.get, key), None)

    async def fetch(self, key: str) -> bytes | None:
        """Return the value, or None when it is absent; raise when that cannot be known."""
        if self._is_alone:
            return await self.get(key)
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return await self._backend.get(key)
        except StorageError as exc:
            self._failed("get", exc)
            raise
        except TimeoutError as exc:
            self._failed("get", exc)
            raise StorageError("The state store did not answer in time.") from exc

    async def set(self, key: str, value: bytes, ttl_seconds: float | None = None) -> bool:
        """Store the value, replacing any other; return whether the backend has taken it."""

        async def stored() -> bool:
            await self._backend.set(key, value, ttl_seconds)
            return True

        return await self._tried("set", stored, fallback=False)

    async def delete(self, key: str) -> None:
        """Forget the value, if any."""
        await self._tried("delete", partial(self._backend.delete, key), None)

    async def keep(self, key: str, value: bytes, ttl_seconds: float, bounds: Bounds) -> bool:
        """Store a value for an owner, whose oldest go; return whether the backend has taken it."""

        async def kept() -> bool:
            await self._backend.keep(key, value, ttl_seconds, bounds)
            return True

        return await self._tried("set", kept, fallback=False)

    async def forget(self, key: str) -> None:
        """Forget a value that is kept for an owner."""
        await self._tried("delete", partial(self._backend.forget, key), None)

    async def add(self, key: str, value: bytes, ttl_seconds: float | None = None) -> bool:
        """Store the value if there is none; True also when the backend is dead."""
        call = partial(self._backend.add, key, value, ttl_seconds)
        return await self._tried("add", call, fallback=True)

    async def rewrite(self, prefix: str, change: Callable[[bytes], bytes | None]) -> int:
        """Change the values of all keys that begin so; 0 when the backend died meanwhile."""
        try:
            return await self._backend.rewrite(prefix, change)
        except StorageError as exc:
            self._failed("rewrite", exc)
            return 0

    def lock(
        self, name: str, ttl_seconds: float, wait_seconds: float
    ) -> AbstractAsyncContextManager[None]:
        """Hold the named lock until the block ends; see the port."""
        return self._held(name, ttl_seconds, wait_seconds)

    async def acquire(
        self, lease: Lease, limit: int, ttl_seconds: float, waited_seconds: float = 0.0
    ) -> bool:
        """Take one of `limit` places; True also when the backend is dead."""
        call = partial(self._backend.acquire, lease, limit, ttl_seconds, waited_seconds)
        return await self._tried("acquire", call, fallback=True)

    async def renew(self, leases: Collection[Lease], ttl_seconds: float) -> None:
        """Go on holding the places, also those that the backend has forgotten."""
        await self._tried("renew", partial(self._backend.renew, leases, ttl_seconds), None)

    async def release(self, leases: Collection[Lease]) -> None:
        """Give places back, or leave the line."""
        await self._tried("release", partial(self._backend.release, leases), None)

    async def is_alive(self) -> bool:
        """Return whether the backend answers now."""
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await self._backend.ping()
        except (StorageError, TimeoutError):
            return False
        return True

    async def close(self) -> None:
        """Release connections and files."""
        try:
            await self._backend.close()
        except StorageError as exc:
            logger.warning("the state store did not close: %s", exc)

    async def _tried(self, kind: str, call: Callable[[], Awaitable[_T]], fallback: _T) -> _T:
        until = self._no_reads_until if kind == "get" else self._no_writes_until
        if time.monotonic() < until:
            self._on_failure(kind)
            return fallback
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return await call()
        except (StorageError, TimeoutError) as exc:
            self._failed(kind, exc)
            return fallback

    def _failed(self, kind: str, exc: Exception) -> None:
        """Note a failure. What cannot read cannot write, but a full disk can be read."""
        now = time.monotonic()
        self._no_writes_until = now + PAUSE_SECONDS
        if kind == "get":
            self._no_reads_until = now + PAUSE_SECONDS
        self._say(kind, exc)

    def _say(self, kind: str, exc: Exception) -> None:
        self._on_failure(kind)
        now = time.monotonic()
        if now >= self._no_log_until:
            self._no_log_until = now + LOG_SECONDS
            reason = str(exc) or type(exc).__name__
            logger.warning("the state store failed (%s), going on without it: %s", kind, reason)

    @asynccontextmanager
    async def _held(
        self, name: str, ttl_seconds: float, wait_seconds: float
    ) -> AsyncIterator[None]:
        until = time.monotonic() + wait_seconds
        async with AsyncExitStack() as stack:
            mine = self._locks.setdefault(name, asyncio.Lock())
            try:
                async with asyncio.timeout(wait_seconds):
                    await stack.enter_async_context(mine)
            except TimeoutError:
                raise _not_had(wait_seconds) from None
            lock = self._backend.lock(name, ttl_seconds)
            # Also when cancelled while taking it: the backend may have got that far.
            stack.push_async_callback(self._locked, "unlock", lock.release)
            await self._take(lock, until, wait_seconds)
            await stack.enter_async_context(_beside(self._prolong(lock, ttl_seconds)))
            yield

    async def _take(self, lock: SharedLock, until: float, wait_seconds: float) -> None:
        pause = FIRST_POLL_SECONDS
        while True:
            is_had = await self._locked("lock", lock.attempt)
            if is_had or (is_had is None and self._is_alone):
                return
            if time.monotonic() >= until:
                raise _not_had(wait_seconds)
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - a pause, no secret
            pause = min(pause * 1.5, LONGEST_POLL_SECONDS)

    async def _prolong(self, lock: SharedLock, ttl_seconds: float) -> None:
        while True:
            await asyncio.sleep(ttl_seconds / 3)
            if await self._locked("lock", lock.prolong) is False:
                logger.warning("a lock of the state store was lost while it was held")

    async def _locked(self, kind: str, call: Callable[[], Awaitable[_T]]) -> _T | None:
        """Return what a step of a lock answers, None if it cannot be taken now."""
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return await call()
        except (StorageError, TimeoutError) as exc:
            self._say(kind, exc)
            return None


def _not_had(wait_seconds: float) -> LockTimeoutError:
    message = f"A lock that all processes share could not be had within {wait_seconds:g} seconds."
    return LockTimeoutError(message)


@asynccontextmanager
async def _beside(work: Awaitable[None]) -> AsyncIterator[None]:
    """Run `work` until the block ends. A TaskGroup would wrap what the block raises."""
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
