"""State in Redis, for gateways on several machines.

Requests wait for each call, so every call has a short limit. One immediate retry, for lost
connections only, stands in for the retries of redis-py: it reaches a server that was restarted
while its old connections lay in the pool.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from secrets import token_hex
from typing import TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from service.ports import LINE_SECONDS, Bounds, Lease
from service.vocabulary.errors import StorageError
from service.vocabulary.ledger.budgets import BudgetStep, Spent, Taken
from storage.state.redis_budgets import RedisBudgets
from storage.state.redis_lock import LockScripts, RedisLock
from storage.state.redis_shelf import Shelf

KEY_PREFIX = "backend-to-v1:"
LEASE_PREFIX = f"{KEY_PREFIX}lease:"
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
# Times are the server's, in milliseconds. A lease is a field of its key's hash, named by its
# holder: `<1 held, 0 waiting> <since> <until>`, for example `1 1767225600000 1767225610000`.
# Leases that are held, and those that wait for longer, are ahead. A lease that begins in the
# future was written before the clock was set back: it is dropped, and a living holder renews it
# within seconds.
_NOW = """
local time = redis.call('time')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function write(key, holder, is_held, since, ttl)
  redis.call('hset', key, holder, string.format('%d %.0f %.0f', is_held, since, now + ttl))
  if redis.call('pttl', key) < ttl then redis.call('pexpire', key, ttl) end
end
"""
_ACQUIRE = f"""{_NOW}
local key, holder = KEYS[1], ARGV[1]
local limit, ttl, line = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[5])
local since, has, others = now - ARGV[4], false, {{}}
local fields = redis.call('hgetall', key)
for i = 1, #fields, 2 do
  local name = fields[i]
  local held, came, ends = string.match(fields[i + 1], '(%d+) (%d+) (%d+)')
  if tonumber(ends) <= now or tonumber(came) > now then redis.call('hdel', key, name)
  elseif name == holder then since, has = tonumber(came), held == '1'
  else others[name] = held == '1' and 0 or tonumber(came) end
end
local ahead = 0
for name, came in pairs(others) do
  if came < since or came == since and name < holder then ahead = ahead + 1 end
end
has = has or ahead < limit
write(key, holder, has and 1 or 0, since, has and ttl or line)
return has and 1 or 0
"""
_RENEW = f"""{_NOW}
for i, key in ipairs(KEYS) do write(key, ARGV[i + 1], 1, now, tonumber(ARGV[1])) end
"""
_RELEASE = "for i, key in ipairs(KEYS) do redis.call('hdel', key, ARGV[i]) end"

# Servers before 6.0 cannot keep the expiry of a value that they replace.
_REPLACE = """
if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end
local left = redis.call('pttl', KEYS[1])
redis.call('set', KEYS[1], ARGV[2])
if left > 0 then redis.call('pexpire', KEYS[1], left) end
return 1
"""

_T = TypeVar("_T")


def open_client(url: str) -> Redis:
    """Return a client of the server that `url` names; it connects at first use.

    Raises:
        ValueError: the URL has an unknown parameter.
    """
    retry = Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,))
    pool = BlockingConnectionPool.from_url(url, **_DEFAULTS, retry=retry)
    try:
        pool.connection_class(**pool.connection_kwargs)  # checks parameters, connects nowhere
    except (TypeError, RedisError):
        raise ValueError("The query of the Redis URL has an unknown parameter.") from None
    return Redis.from_pool(pool)


class RedisBackend:
    """State in the server that `url` names; its query may set parameters of the connection pool.

    Raises:
        ValueError: the URL has an unknown parameter.
    """

    def __init__(self, url: str) -> None:
        self._client = open_client(url)
        self._acquire = self._client.register_script(_ACQUIRE)
        self._renew = self._client.register_script(_RENEW)
        self._release = self._client.register_script(_RELEASE)
        self._replace = self._client.register_script(_REPLACE)
        self._locks = LockScripts(self._client, answer)
        self._shelf = Shelf(self._client, KEY_PREFIX, answer)
        self._budgets = RedisBudgets(self._client, KEY_PREFIX, answer)

    async def get(self, key: str) -> bytes | None:
        """Return the value, or None when absent or expired."""
        value = await answer(self._client.get(KEY_PREFIX + key))
        return value if isinstance(value, bytes) else None

    async def set(self, key: str, value: bytes, ttl_seconds: float | None) -> None:
        """Store the value for `ttl_seconds` or for good."""
        await answer(self._client.set(KEY_PREFIX + key, value, px=_expiry(ttl_seconds)))

    async def delete(self, key: str) -> None:
        """Forget the value, if any."""
        await answer(self._client.delete(KEY_PREFIX + key))

    async def keep(self, key: str, value: bytes, ttl_seconds: float, bounds: Bounds) -> None:
        """Store a value for an owner, dropping the oldest values until it fits."""
        await self._shelf.keep(key, value, _milliseconds(ttl_seconds), bounds)

    async def forget(self, key: str) -> None:
        """Delete a value that is kept for an owner."""
        await self._shelf.forget(key)

    async def add(self, key: str, value: bytes, ttl_seconds: float | None) -> bool:
        """Store the value if there is none; return whether it was stored."""
        px = _expiry(ttl_seconds)
        return bool(await answer(self._client.set(KEY_PREFIX + key, value, nx=True, px=px)))

    async def rewrite(self, prefix: str, change: Callable[[bytes], bytes | None]) -> int:
        """Change the values of all keys with this prefix; return how many were changed."""
        number, cursor, match = 0, 0, f"{KEY_PREFIX}{prefix}*"
        while True:
            cursor, keys = await answer(self._client.scan(cursor, match, count=100))
            for key in keys:
                value = await answer(self._client.get(key))
                if not isinstance(key, bytes) or not isinstance(value, bytes):
                    continue  # it has just expired
                changed = change(value)
                if changed is not None:
                    script = self._replace(keys=[key], args=[value, changed])
                    number += int(await answer(script))
            if not cursor:
                return number

    def lock(self, name: str, ttl_seconds: float) -> RedisLock:
        """Return the lock of this name, not taken yet, for one holder."""
        return RedisLock(self._locks, LOCK_PREFIX + name, token_hex(16), ttl_seconds)

    async def acquire(
        self, lease: Lease, limit: int, ttl_seconds: float, waited_seconds: float
    ) -> bool:
        """Take or prolong a place, or wait in line for it; return whether it is held."""
        seconds = (ttl_seconds, waited_seconds, LINE_SECONDS)
        arguments: list[str | int] = [lease.holder, limit, *(_milliseconds(one) for one in seconds)]
        return bool(await answer(self._acquire(keys=_keys([lease]), args=arguments)))

    async def renew(self, leases: Collection[Lease], ttl_seconds: float) -> None:
        """Hold the places for `ttl_seconds` from now, also those that Redis has lost."""
        arguments: list[str | int] = [
            _milliseconds(ttl_seconds),
            *(lease.holder for lease in leases),
        ]
        await answer(self._renew(keys=_keys(leases), args=arguments))

    async def release(self, leases: Collection[Lease]) -> None:
        """Delete the leases, held or waiting."""
        holders = [lease.holder for lease in leases]
        await answer(self._release(keys=_keys(leases), args=holders))

    async def spend(self, key: str, step: BudgetStep) -> Taken:
        """Do a step on the counts of a budget, and return them."""
        return await self._budgets.spend(key, step)

    async def spent(self, keys: Collection[str]) -> dict[str, Spent]:
        """Return the counts of budgets, without those that have none."""
        return await self._budgets.spent(keys)

    async def ping(self) -> None:
        """Send PING and wait for the reply."""
        await answer(self._client.ping())

    async def close(self) -> None:
        """Close all connections."""
        await answer(self._client.aclose())


def _keys(leases: Collection[Lease]) -> list[str]:
    return [LEASE_PREFIX + lease.key for lease in leases]


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))


def _expiry(ttl_seconds: float | None) -> int | None:
    return None if ttl_seconds is None else _milliseconds(ttl_seconds)


async def answer(call: Awaitable[_T], seconds: float | None = None) -> _T:
    """Return the result of a call, for which a request waits; or for longer, where none does.

    Raises:
        StorageError: the server answers with an error, or not in time.
    """
    try:
        async with asyncio.timeout(seconds or CALL_SECONDS):
            return await call
    except (RedisError, OSError) as exc:  # TimeoutError is an OSError
        message = f"Redis: {str(exc) or 'no answer in time'}"
        raise StorageError(message) from exc
