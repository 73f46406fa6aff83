"""Locks in Redis that trust no clock but the one of whoever waits.

A key with an expiry would be the usual lock. Redis counts an expiry by the time of day: set back
by a day, a dead process holds its lock for a day; set ahead, a living one loses it while it
works. So a lock here is held by who renews it:

    backend-to-v1:lock:<name> = <holder>:<beat>

The holder raises the beat several times within the lock's time to live. Whoever waits looks at the
value again and again, and may take the lock only when it has seen one and the same value for the
whole time to live, measured by its own monotonic clock, with Redis answering all the while: a
server that was away, and came back with what it had, has let nobody raise anything. Taking, raising
and giving back compare the value first, each in one step.
"""

import time
from collections.abc import Awaitable, Callable

from redis.asyncio import Redis
from redis.commands.core import AsyncScript

from service.vocabulary.errors import StorageError

_FORGOTTEN_SECONDS = 30 * 86400.0  # after which a lock that a dead process left goes by itself
# Whose a value is, its beginning says: the answer to the last raise may have been lost.
_MINE = (
    "local there = redis.call('get', KEYS[1])\n"
    "local is_mine = there and string.sub(there, 1, #ARGV[1]) == ARGV[1]\n"
)
_PUT = f"""{_MINE}
if there and not is_mine and there ~= ARGV[3] then return there end
redis.call('set', KEYS[1], ARGV[1] .. ARGV[2], 'px', ARGV[4])
return 1
"""
_FREE = f"{_MINE} if is_mine then redis.call('del', KEYS[1]) end"

Ask = Callable[[Awaitable[object]], Awaitable[object]]


class LockScripts:
    """The steps of all locks, registered once for a client.

    Args:
        client: of the server.
        ask: awaits an answer of it, but not for long.
    """

    def __init__(self, client: Redis, ask: Ask) -> None:
        self.ask = ask
        self.put: AsyncScript = client.register_script(_PUT)
        self.free: AsyncScript = client.register_script(_FREE)


class RedisLock:
    """The lock of one key, for one holder; see `storage.state.store.SharedLock`.

    Args:
        scripts: of the client.
        key: of the lock.
        holder: a name that only this one has.
        ttl_seconds: for how long a holder may not be heard of.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        scripts: LockScripts,
        key: str,
        holder: str,
        ttl_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._scripts = scripts
        self._key = key
        self._holder = holder
        self._ttl_seconds = ttl_seconds
        self._clock = clock
        self._beat = 0
        self._seen: bytes = b""  # of another holder, and since when it is the same
        self._seen_at = 0.0

    async def attempt(self) -> bool:
        """Try once to take the lock, from a holder that is not heard of if it must be.

        Raises:
            StorageError: Redis does not answer.
        """
        now, silent = self._clock(), b""
        if self._seen and now - self._seen_at >= self._ttl_seconds:
            silent = self._seen
        try:
            there = await self._put(silent)
        except StorageError:
            self._seen = b""  # what was not watched is not known to have been silent
            raise
        if isinstance(there, bytes) and there != self._seen:
            self._seen, self._seen_at = there, now
        return not isinstance(there, bytes)

    async def prolong(self) -> bool:
        """Tell those who wait that this holder is there; return whether the lock is still its own.

        Raises:
            StorageError: Redis does not answer.
        """
        self._beat += 1
        return not isinstance(await self._put(b""), bytes)

    async def release(self) -> None:
        """Give the lock back if it is held.

        Raises:
            StorageError: Redis does not answer.
        """
        await self._scripts.ask(self._scripts.free(keys=[self._key], args=[self._mine]))

    @property
    def _mine(self) -> str:
        return f"{self._holder}:"

    async def _put(self, silent: bytes) -> object:
        """Write this holder's value over its own, none, or one that is silent; else return it."""
        expiry = int(_FORGOTTEN_SECONDS * 1000)
        arguments: list[bytes | int | str] = [self._mine, self._beat, silent, expiry]
        return await self._scripts.ask(self._scripts.put(keys=[self._key], args=arguments))
