"""The state store (spec 10): a backend chosen by URL, behind a wrapper that degrades.

When a backend fails, its calls are answered as if nothing were stored: the service gets slower and
never stops. Locks are the exception and do not degrade, for a lock exists to stop two processes
that would both go ahead. Every lock is also held within this process, which is enough for a process
that shares its store with no other.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar
from weakref import WeakValueDictionary

from service.ports import Bounds, Lease
from service.vocabulary.errors import LockTimeoutError, StorageError
from service.vocabulary.ledger.budgets import BudgetStep, Spent, Taken
from storage.state.sqlite import SqliteBackend

logger = logging.getLogger(__name__)

CALL_SECONDS = 5.0  # longer than the backends' own limits; ends calls to a disk that hangs
PAUSE_SECONDS = 1.0  # a backend that failed is not asked again for this long
LOG_SECONDS = 60.0
_READS = ("get", "spent")
FIRST_POLL_SECONDS, LONGEST_POLL_SECONDS = 0.01, 0.2  # between tries to take a lock

_T = TypeVar("_T")


class SharedLock(Protocol):
    """A lock shared by all processes, for one holder. Every method may raise StorageError."""

    async def attempt(self) -> bool:
        """Try once to take the lock; return whether it is held."""

    async def prolong(self) -> bool:
        """Show that the holder lives; return whether the lock is still held."""

    async def release(self) -> None:
        """Release the lock, whether it is held or not."""


class Backend(Protocol):
    """A store as it works when nothing is broken. Every method may raise StorageError."""

    async def get(self, key: str) -> bytes | None:
        """Return the value, or None when absent or expired."""

    async def set(self, key: str, value: bytes, ttl_seconds: float | None) -> None:
        """Store the value for `ttl_seconds` or for good."""

    async def delete(self, key: str) -> None:
        """Forget the value, if any."""

    async def keep(self, key: str, value: bytes, ttl_seconds: float, bounds: Bounds) -> None:
        """Store a value for an owner, dropping the oldest values until it fits."""

    async def forget(self, key: str) -> None:
        """Delete a value that is kept for an owner."""

    async def add(self, key: str, value: bytes, ttl_seconds: float | None) -> bool:
        """Store the value if there is none; return whether it was stored."""

    async def rewrite(self, prefix: str, change: Callable[[bytes], bytes | None]) -> int:
        """Change the values of all keys with this prefix; return how many were changed."""

    def lock(self, name: str, ttl_seconds: float) -> "SharedLock":
        """Return the lock of this name, not taken yet, for one holder."""

    async def acquire(
        self, lease: Lease, limit: int, ttl_seconds: float, waited_seconds: float
    ) -> bool:
        """Take or prolong a place, or wait in line for it; return whether it is held."""

    async def renew(self, leases: Collection[Lease], ttl_seconds: float) -> None:
        """Hold the places for `ttl_seconds` from now, also those that the store has lost."""

    async def release(self, leases: Collection[Lease]) -> None:
        """Delete the leases, held or waiting."""

    async def spend(self, key: str, step: BudgetStep) -> Taken:
        """Do a step on the counts of a budget, and return them."""

    async def spent(self, keys: Collection[str]) -> Mapping[str, Spent]:
        """Return the counts of budgets, without those that have none."""

    async def ping(self) -> None:
        """Raise StorageError if the store does not answer."""

    async def close(self) -> None:
        """Release connections and files."""


def open_state(
    url: str, on_failure: Callable[[str], None], *, is_alone: bool = False
) -> "DegradingStore":
    """Return the store that `url` names; it connects at first use.

    Args:
        url: `sqlite:PATH`, `redis://…`, `rediss://…` or `unix://…`.
        on_failure: called with the operation (`get`, `set`, `delete`, `add`, `rewrite`,
            `lock`, `unlock`, `acquire`, `renew`, `release`, `spend`, `spent`) each time one was answered
            without the store.
        is_alone: no other process uses this store, so a lock that the store cannot give is held
            within this process alone.

    Raises:
        ValueError: no such kind of store, or an unknown parameter.
    """
    scheme, _, rest = url.partition(":")
    if scheme == "sqlite" and rest:
        return DegradingStore(SqliteBackend(Path(rest)), on_failure, is_alone=is_alone)
    if scheme in ("redis", "rediss", "unix"):
        from storage.state.redis import RedisBackend  # noqa: PLC0415 - 8 MiB of code

        return DegradingStore(RedisBackend(url), on_failure, is_alone=is_alone)
    raise ValueError("The state store must be sqlite:PATH, redis://…, rediss://… or unix://….")


class DegradingStore:
    """A store that answers in place of a dead backend; the ports say with what.

    It implements `service.ports.StateStore` and `service.ledger.ports.BudgetStore`.
    """

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
        return await self._or_fallback("get", partial(self._backend.get, key), None)

    async def fetch(self, key: str) -> bytes | None:
        """Return the value or None; raise StorageError if the store does not answer."""
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
        """Store the value, replacing any other; return whether the backend took it."""

        async def stored() -> bool:
            await self._backend.set(key, value, ttl_seconds)
            return True

        return await self._or_fallback("set", stored, fallback=False)

    async def delete(self, key: str) -> None:
        """Forget the value, if any."""
        await self._or_fallback("delete", partial(self._backend.delete, key), None)

    async def keep(self, key: str, value: bytes, ttl_seconds: float, bounds: Bounds) -> bool:
        """Store a value for an owner, dropping the oldest; return whether the backend took it."""

        async def kept() -> bool:
            await self._backend.keep(key, value, ttl_seconds, bounds)
            return True

        return await self._or_fallback("set", kept, fallback=False)

    async def forget(self, key: str) -> None:
        """Delete a value that is kept for an owner."""
        await self._or_fallback("delete", partial(self._backend.forget, key), None)

    async def add(self, key: str, value: bytes, ttl_seconds: float | None = None) -> bool:
        """Store the value if there is none; return whether it was, True if the backend is dead."""
        call = partial(self._backend.add, key, value, ttl_seconds)
        return await self._or_fallback("add", call, fallback=True)

    async def rewrite(self, prefix: str, change: Callable[[bytes], bytes | None]) -> int:
        """Change the values of all keys with this prefix; return how many, 0 after a failure."""
        try:
            return await self._backend.rewrite(prefix, change)
        except StorageError as exc:
            self._failed("rewrite", exc)
            return 0

    def lock(
        self, name: str, ttl_seconds: float, wait_seconds: float
    ) -> AbstractAsyncContextManager[None]:
        """Hold the named lock until the block ends; see the port."""
        return self._hold(name, ttl_seconds, wait_seconds)

    async def acquire(
        self, lease: Lease, limit: int, ttl_seconds: float, waited_seconds: float = 0.0
    ) -> bool:
        """Take one of `limit` places; return whether it is held, True if the backend is dead."""
        call = partial(self._backend.acquire, lease, limit, ttl_seconds, waited_seconds)
        return await self._or_fallback("acquire", call, fallback=True)

    async def renew(self, leases: Collection[Lease], ttl_seconds: float) -> None:
        """Hold the places further, also those that the backend has lost."""
        await self._or_fallback("renew", partial(self._backend.renew, leases, ttl_seconds), None)

    async def release(self, leases: Collection[Lease]) -> None:
        """Give places back, or leave the line."""
        await self._or_fallback("release", partial(self._backend.release, leases), None)

    async def spend(self, key: str, step: BudgetStep) -> Taken | None:
        """Do a step on the counts of a budget; return None if the backend is dead."""
        return await self._or_fallback("spend", partial(self._backend.spend, key, step), None)

    async def spent(self, keys: Collection[str]) -> Mapping[str, Spent] | None:
        """Return the counts of budgets, None if the backend is dead."""
        return await self._or_fallback("spent", partial(self._backend.spent, keys), None)

    async def is_alive(self) -> bool:
        """Tell whether the backend answers now."""
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

    async def _or_fallback(self, kind: str, call: Callable[[], Awaitable[_T]], fallback: _T) -> _T:
        until = self._no_reads_until if kind in _READS else self._no_writes_until
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
        """Pause writes after any failure, reads after a failed read; a full disk can be read."""
        now = time.monotonic()
        self._no_writes_until = now + PAUSE_SECONDS
        if kind in _READS:
            self._no_reads_until = now + PAUSE_SECONDS
        self._report(kind, exc)

    def _report(self, kind: str, exc: Exception) -> None:
        self._on_failure(kind)
        now = time.monotonic()
        if now >= self._no_log_until:
            self._no_log_until = now + LOG_SECONDS
            reason = str(exc) or type(exc).__name__
            logger.warning("the state store failed (%s), going on without it: %s", kind, reason)

    @asynccontextmanager
    async def _hold(
        self, name: str, ttl_seconds: float, wait_seconds: float
    ) -> AsyncIterator[None]:
        until = time.monotonic() + wait_seconds
        async with AsyncExitStack() as stack:
            mine = self._locks.setdefault(name, asyncio.Lock())
            try:
                async with asyncio.timeout(wait_seconds):
                    await stack.enter_async_context(mine)
            except TimeoutError:
                raise _lock_timeout(wait_seconds) from None
            lock = self._backend.lock(name, ttl_seconds)
            # Also when cancelled while taking it: the backend may have granted it already.
            stack.push_async_callback(self._locked, "unlock", lock.release)
            await self._take(lock, until, wait_seconds)
            await stack.enter_async_context(_in_background(self._prolong(lock, ttl_seconds)))
            yield

    async def _take(self, lock: SharedLock, until: float, wait_seconds: float) -> None:
        pause = FIRST_POLL_SECONDS
        while True:
            is_held = await self._locked("lock", lock.attempt)
            if is_held or (is_held is None and self._is_alone):
                return
            if time.monotonic() >= until:
                raise _lock_timeout(wait_seconds)
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - a pause, no secret
            pause = min(pause * 1.5, LONGEST_POLL_SECONDS)

    async def _prolong(self, lock: SharedLock, ttl_seconds: float) -> None:
        while True:
            await asyncio.sleep(ttl_seconds / 3)
            if await self._locked("lock", lock.prolong) is False:
                logger.warning("a lock of the state store was lost while it was held")

    async def _locked(self, kind: str, call: Callable[[], Awaitable[_T]]) -> _T | None:
        """Return the result of one step of a lock, None if the backend does not answer."""
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return await call()
        except (StorageError, TimeoutError) as exc:
            self._report(kind, exc)
            return None


def _lock_timeout(wait_seconds: float) -> LockTimeoutError:
    message = f"A lock that all processes share could not be had within {wait_seconds:g} seconds."
    return LockTimeoutError(message)


@asynccontextmanager
async def _in_background(work: Awaitable[None]) -> AsyncIterator[None]:
    """Run `work` in the background until the block ends.

    A TaskGroup would wrap the exceptions of the block in a group.
    """
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
