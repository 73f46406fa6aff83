"""Values of Redis that are kept for owners, within a limit for each owner and one for all.

When a limit is reached the oldest values are dropped first.

    <key>              the value, with its expiry
    shelf              a hash: <key> -> `<bytes> <expiry in milliseconds> <owner>`
    shelf:order        a sorted set of all keys, by when they came
    shelf:order:<o>    the same, of owner o
    shelved            a hash: owner -> bytes; the owner "" is all, "#" the last number in the order

An expired value stays in the sums until it is the oldest and is removed, so a sum may be too high
and is never too low.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio import Redis

from service.ports import Bounds

_MAX_ENDED = 100  # expired values that one call removes

# KEYS: the value's key, shelf, shelf:order, shelved. The keys of other values are read from them.
_COMMON = """
local shelf, order, shelved = KEYS[2], KEYS[3], KEYS[4]
local function entry(key)
  local found = redis.call('hget', shelf, key)
  if not found then return nil end
  local size, ends, owner = string.match(found, '^(%d+) (%d+) (.*)$')
  return tonumber(size), tonumber(ends), owner
end
local function drop(key)
  local size, _, owner = entry(key)
  redis.call('del', key)
  if not size then redis.call('zrem', order, key) return end
  redis.call('hdel', shelf, key)
  redis.call('zrem', order, key)
  redis.call('zrem', order .. ':' .. owner, key)
  redis.call('hincrby', shelved, '', -size)
  if redis.call('hincrby', shelved, owner, -size) <= 0 then redis.call('hdel', shelved, owner) end
end
"""
# ARGV: value, life in milliseconds, owner, limit of the owner, limit of all.
_KEEP = f"""{_COMMON}
local key, value, owner = KEYS[1], ARGV[1], ARGV[3]
local time = redis.call('time')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
drop(key)
for _ = 1, {_MAX_ENDED} do
  local first = redis.call('zrange', order, 0, 0)[1]
  local _, ends = entry(first or '')
  if not ends or ends > now then break end
  drop(first)
end
local function make_room(whose, index, limit)
  while (tonumber(redis.call('hget', shelved, whose)) or 0) + #value > limit do
    local first = redis.call('zrange', index, 0, 0)[1]
    if not first then break end
    drop(first)
  end
end
make_room(owner, order .. ':' .. owner, tonumber(ARGV[4]))
make_room('', order, tonumber(ARGV[5]))
local number = redis.call('hincrby', shelved, '#', 1)
redis.call('set', key, value, 'px', ARGV[2])
redis.call('hset', shelf, key, string.format('%d %.0f %s', #value, now + ARGV[2], owner))
redis.call('zadd', order, number, key)
redis.call('zadd', order .. ':' .. owner, number, key)
redis.call('hincrby', shelved, owner, #value)
redis.call('hincrby', shelved, '', #value)
"""
_FORGET = f"{_COMMON} drop(KEYS[1])"


class Shelf:
    """The values kept for owners in one server.

    Args:
        client: of the server.
        prefix: of all keys.
        answer: waits for a command and translates its errors.
    """

    def __init__(
        self, client: Redis, prefix: str, answer: Callable[[Awaitable[Any]], Awaitable[Any]]
    ) -> None:
        self._prefix = prefix
        self._answer = answer
        self._keep = client.register_script(_KEEP)
        self._forget = client.register_script(_FORGET)

    async def keep(self, key: str, value: bytes, life_milliseconds: int, bounds: Bounds) -> None:
        """Store a value, dropping the oldest values until all fit."""
        arguments: list[str | int | bytes] = [
            *(value, life_milliseconds, bounds.owner),
            *(bounds.max_owner_bytes, bounds.max_bytes),
        ]
        await self._answer(self._keep(keys=self._keys(key), args=arguments))

    async def forget(self, key: str) -> None:
        """Delete a value."""
        await self._answer(self._forget(keys=self._keys(key)))

    def _keys(self, key: str) -> list[str]:
        return [self._prefix + name for name in (key, "shelf", "shelf:order", "shelved")]
