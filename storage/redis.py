"""State in Redis, for gateways on several machines.

Every call has a short limit, since a request waits for it. Of the retries that
redis-py offers one is kept, at once and for lost connections only: it reaches a
server that was restarted while its old connections lay in the pool.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from service.errors import StorageError

KEY_PREFIX = "backend-to-v1:"
LOCK_PREFIX = f"{KEY_PREFIX}lock:"
CALL_SECONDS = 1.0  # for a whole call, waiting for a connection and connecting included
_DEFAULTS = {
    "max_connections": 50,
    "timeout": CALL_SECONDS,  # how long a call waits for a connection of the pool
    "socket_connect_timeout": CALL_SECONDS,
    # Its own limit on sending uses asyncio.wait_for, which before Python 3.12 may
    # swallow a cancellation (seen: a waiter for a lock that could not be stopped).
    "socket_timeout": None,
    "protocol": 2,  # servers before 6.0 do not know how to speak 3
}
# SET NX alone could not tell, after a lost answer, that the lock is ours already.
_ACQUIRE = """
if redis.call('set', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('pexpire', KEYS[1], ARGV[2])
"""
_RELEASE = """
if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('del', KEYS[1])
"""

_T = TypeVar("_T")


class RedisBackend:
    """State in the server that `url` names; parameters of the pool may stand in its query.

    Raises:
        ValueError: the URL has a parameter that nobody knows.
    """

    def __init__(self, url: str) -> None:
        retry = Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,))
        pool = BlockingConnectionPool.from_url(url, **_DEFAULTS, retry=retry)
        try:
            pool.connection_class(**pool.connection_kwargs)  # connects nowhere, but reads them all
        except (TypeError, RedisError):
            raise ValueError("The query of the Redis URL has an unknown parameter.") from None
        self._client = Redis.from_pool(pool)
        self._acquire = self._client.register_script(_ACQUIRE)
        self._release = self._client.register_script(_RELEASE)

    async def get(self, key: str) -> bytes | None:
        """Return the value, or None when absent or expired."""
        value = await _answer(self._client.get(KEY_PREFIX + key))
        return value if isinstance(value, bytes) else None

    async def set(self, key: str, value: bytes, ttl_seconds: float | None) -> None:
        """Store the value for `ttl_seconds` or for good."""
        await _answer(self._client.set(KEY_PREFIX + key, value, px=_milliseconds(ttl_seconds)))

    async def delete(self, key: str) -> None:
        """Forget the value, if any."""
        await _answer(self._client.delete(KEY_PREFIX + key))

    async def add(self, key: str, value: bytes, ttl_seconds: float | None) -> bool:
        """Store the value if there is none; return whether it was stored."""
        px = _milliseconds(ttl_seconds)
        return bool(await _answer(self._client.set(KEY_PREFIX + key, value, nx=True, px=px)))

    async def acquire(self, key: str, owner: str, ttl_seconds: float) -> bool:
        """Take the lock if it is free, or prolong it; return whether `owner` has it."""
        px = max(1, int(ttl_seconds * 1000))
        return bool(await _answer(self._acquire(keys=[LOCK_PREFIX + key], args=[owner, px])))

    async def release(self, key: str, owner: str) -> None:
        """Free the lock if `owner` has it."""
        await _answer(self._release(keys=[LOCK_PREFIX + key], args=[owner]))

    async def ping(self) -> None:
        """Ask the server for a sign of life."""
        await _answer(self._client.ping())

    async def close(self) -> None:
        """Close all connections."""
        await _answer(self._client.aclose())


def _milliseconds(ttl_seconds: float | None) -> int | None:
    return None if ttl_seconds is None else max(1, int(ttl_seconds * 1000))


async def _answer(call: Awaitable[_T]) -> _T:
    try:
        async with asyncio.timeout(CALL_SECONDS):
            return await call
    except (RedisError, OSError) as exc:  # TimeoutError is an OSError
        message = f"Redis: {str(exc) or 'no answer in time'}"
        raise StorageError(message) from exc
