"""Locks in Redis that depend on no clock but the waiting process's own.

The usual lock is a key with an expiry. Redis counts an expiry by the time of day: when the clock is
set back by a day, a dead process holds its lock for a day; when it is set ahead, a living one loses
its lock in the middle of its work. So a lock here belongs to whoever keeps renewing it:

    backend-to-v1:lock:<name> = <holder>:<beat>        for example 5d41…:17

The holder raises the beat several times within the lock's time to live. A waiter reads the value
again and again. It may take the lock only after it has seen the same value for the whole time to
live, measured by its own monotonic clock, with Redis answering all the while. (A server that was
down and came back has let no holder raise its beat, so the waiter starts to count anew.) Taking,
raising and releasing each compare the value first, in one atomic step.
"""

import time
from collections.abc import Awaitable, Callable

from redis.asyncio import Redis
from redis.commands.core import AsyncScript

from service.vocabulary.errors import StorageError

_FORGOTTEN_SECONDS = 30 * 86400.0  # after which a dead process's lock expires by itself
# The holder is compared, not the beat: the answer to the last raise may have been lost.
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
    """The Lua steps of all locks, registered once for a client.

    Args:
        client: of the server.
        ask: awaits an answer of the server within a short limit.
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
        holder: a name that no other holder has.
        ttl_seconds: how long a holder may be silent before it counts as dead.
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
        self._seen: bytes = b""  # the value of another holder, unchanged since `_seen_at`
        self._seen_at = 0.0

    async def attempt(self) -> bool:
        """Try once to take the lock: free, or of a silent holder; return whether it is held.

        Raises:
            StorageError: Redis does not answer.
        """
        now, silent = self._clock(), b""
        if self._seen and now - self._seen_at >= self._ttl_seconds:
            silent = self._seen
        try:
            there = await self._put(silent)
        except StorageError:
            self._seen = b""  # a holder that was not watched all the time may not have been silent
            raise
        if isinstance(there, bytes) and there != self._seen:
            self._seen, self._seen_at = there, now
        return not isinstance(there, bytes)

    async def prolong(self) -> bool:
        """Raise the beat to show waiters a living holder; return whether the lock is still held.

        Raises:
            StorageError: Redis does not answer.
        """
        self._beat += 1
        return not isinstance(await self._put(b""), bytes)

    async def release(self) -> None:
        """Release the lock if it is held.

        Raises:
            StorageError: Redis does not answer.
        """
        await self._scripts.ask(self._scripts.free(keys=[self._key], args=[self._mine]))

    @property
    def _mine(self) -> str:
        return f"{self._holder}:"

    async def _put(self, silent: bytes) -> object:
        """Write this holder's value if the lock is free, its own, or has the value `silent`.

        Returns the value of another holder if there is one.
        """
        expiry = int(_FORGOTTEN_SECONDS * 1000)
        arguments: list[bytes | int | str] = [self._mine, self._beat, silent, expiry]
        return await self._scripts.ask(self._scripts.put(keys=[self._key], args=arguments))
