"""The log of calls in Redis, for gateways on several machines.

    calls            a sorted set: <number of 16 digits><the call as JSON>, by when it came
    calls:number     the last number given out
    calls:bytes      the size of all calls, with what the server needs for each
    calls:hours      a sorted set: the hours that have sums
    calls:sums:<h>   a hash: <JSON of key, model, outcome, upstream>:<number's index> -> a sum

A page looks through at most `MAX_LOOKED_AT` calls.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from service.vocabulary.ledger.calls import (
    Call,
    CallFilter,
    CallLimits,
    CallPage,
    CallTotal,
    TotalsFilter,
    Trimmed,
)
from storage.ledger.cursors import Place, place_in, text_of
from storage.ledger.sums import NUMBERS, Cell, hours_of, summed, totals
from storage.state import redis
from storage.state.redis import KEY_PREFIX, open_client

MAX_LOOKED_AT = 20_000  # calls for one page
CALL_SECONDS = 10.0  # no request waits for these calls
_CHUNK = 500
_NUMBER_DIGITS = 16
_OVERHEAD_BYTES = 120  # of one member of a sorted set, measured on Redis 7
_MAX_REMOVED = 2_000  # by one script, which holds the server up for its time
_HOURS_AT_ONCE = 24
_DAY_MS = 86_400_000
_CALLS, _NUMBER, _BYTES, _HOURS = (
    f"{KEY_PREFIX}{name}" for name in ("calls", "calls:number", "calls:bytes", "calls:hours")
)
_SUMS = f"{KEY_PREFIX}calls:sums:"
_KEYS = [_CALLS, _NUMBER, _BYTES, _HOURS]
# ARGV: calls as JSON [[at_ms, text], …]; sums [[hour, cell, [[index, number], …]], …].
_WRITE = f"""
local calls, sums = cjson.decode(ARGV[1]), cjson.decode(ARGV[2])
local size = 0
for _, call in ipairs(calls) do
  local number = redis.call('incr', KEYS[2])
  local member = string.format('%0{_NUMBER_DIGITS}.0f', number) .. call[2]
  redis.call('zadd', KEYS[1], string.format('%.0f', call[1]), member)
  size = size + #member + {_OVERHEAD_BYTES}
end
redis.call('incrby', KEYS[3], string.format('%.0f', size))
for _, sum in ipairs(sums) do
  local hour = string.format('%.0f', sum[1])
  redis.call('zadd', KEYS[4], hour, hour)
  for _, pair in ipairs(sum[3]) do
    local field = sum[2] .. ':' .. string.format('%.0f', pair[1])
    redis.call('hincrby', ARGV[3] .. hour, field, string.format('%.0f', pair[2]))
  end
end
"""
# Removes calls that came before ARGV[1], then the oldest while there are more bytes than ARGV[2].
# Returns how many were removed, how many are left and their bytes.
_TRIM = f"""
local before, allowed = tonumber(ARGV[1]), tonumber(ARGV[2])
local size = tonumber(redis.call('get', KEYS[3]) or '0')
local removed = 0
local oldest = redis.call('zrange', KEYS[1], 0, {_MAX_REMOVED - 1}, 'withscores')
for i = 1, #oldest, 2 do
  if tonumber(oldest[i + 1]) >= before and size <= allowed then break end
  size = size - #oldest[i] - {_OVERHEAD_BYTES}
  removed = removed + 1
end
if removed > 0 then redis.call('zremrangebyrank', KEYS[1], 0, removed - 1) end
local left = redis.call('zcard', KEYS[1])
if left == 0 then size = 0 end
redis.call('set', KEYS[3], string.format('%.0f', size))
return {{removed, left, size}}
"""


class RedisCalls:
    """The log in the server that `url` names; implements `service.ledger.ports.CallStore`.

    Args:
        url: of the server.
        clock: seconds since 1970.

    Raises:
        ValueError: the URL has an unknown parameter.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        self._client = open_client(url)
        self._clock = clock
        self._write = self._client.register_script(_WRITE)
        self._trim = self._client.register_script(_TRIM)

    async def write(self, calls: Sequence[Call]) -> None:
        """Add calls and their sums, all of them or none."""
        texts = [(call.at_ms, msgspec.json.encode(call).decode()) for call in calls]
        sums = [
            (cell.hour, _field_of(cell), [each for each in enumerate(numbers) if each[1]])
            for cell, numbers in summed(calls).items()
        ]
        arguments: list[bytes | str] = [
            *(msgspec.json.encode(texts), msgspec.json.encode(sums)),
            _SUMS,
        ]
        await _answer(self._write(keys=_KEYS, args=arguments))

    async def page(self, wanted: CallFilter, limit: int, after: str | None = None) -> CallPage:
        """Return at most `limit` calls, the newest first; see the port."""
        place = None if after is None else place_in(after)
        found: list[tuple[Place, Call]] = []
        offset = looked_at = 0
        last: Place | None = None  # the last call that was looked at, if there may be more
        while looked_at < MAX_LOOKED_AT and len(found) <= limit:
            chunk = await self._chunk(wanted, place, offset)
            offset += len(chunk)
            for member in chunk:
                call = msgspec.json.decode(member[_NUMBER_DIGITS:], type=Call)
                last = Place(call.at_ms, int(member[:_NUMBER_DIGITS]))
                if place is not None and last >= place:
                    continue  # of the same millisecond, and told before
                looked_at += 1
                if _is_wanted(call, wanted):
                    found.append((last, call))
            if len(chunk) < _CHUNK:
                last = None
                break
        calls = tuple(call for _, call in found[:limit])
        if len(found) > limit:
            last = found[limit - 1][0]
        return CallPage(calls, None if last is None else text_of(last))

    async def totals(self, wanted: TotalsFilter) -> tuple[CallTotal, ...]:
        """Return the sums by step and group, the oldest step first; see the port."""
        first, last = hours_of(wanted)
        hours = await self._hours(first, last - 1)
        cells: dict[Cell, list[int]] = {}
        for begin in range(0, len(hours), _HOURS_AT_ONCE):
            some = hours[begin : begin + _HOURS_AT_ONCE]
            async with self._client.pipeline(transaction=False) as calls:
                for hour in some:
                    _ = calls.hgetall(f"{_SUMS}{hour}")  # awaited with all others
                for hour, fields in zip(some, await _answer(calls.execute()), strict=True):
                    _read_sums(cells, hour, fields)
        return totals(cells.items(), wanted)

    async def trim(self, limits: CallLimits) -> Trimmed:
        """Remove the oldest calls and sums until the log is within its limits; see the port."""
        until_ms = int(self._clock() * 1000) - limits.keep_days * _DAY_MS
        ended = await self._hours(0, until_ms // 1000 - 1)
        if ended:
            await _answer(self._client.delete(*(f"{_SUMS}{hour}" for hour in ended)))
            await _answer(self._client.zrem(_HOURS, *ended))
        removed = 0
        while True:
            arguments = [until_ms, limits.max_bytes]
            number, kept, size = await _answer(self._trim(keys=_KEYS, args=arguments))
            removed += number
            if number < _MAX_REMOVED:
                return Trimmed(removed, kept, size)

    async def close(self) -> None:
        """Close all connections."""
        await _answer(self._client.aclose())

    async def _chunk(self, wanted: CallFilter, place: Place | None, offset: int) -> list[bytes]:
        until = "+inf" if wanted.until_ms is None else f"({wanted.until_ms}"
        if place is not None and (wanted.until_ms is None or place.at_ms < wanted.until_ms):
            until = str(place.at_ms)
        since = "-inf" if wanted.since_ms is None else wanted.since_ms
        call: Awaitable[Any] = self._client.zrevrangebyscore(
            _CALLS, until, since, start=offset, num=_CHUNK
        )
        chunk: list[bytes] = await _answer(call)
        return chunk

    async def _hours(self, first: int, last: int) -> list[int]:
        """Return the hours from the first to the last that have sums."""
        call: Awaitable[Any] = self._client.zrangebyscore(_HOURS, first, last)
        return [int(hour) for hour in await _answer(call)]


def _is_wanted(call: Call, wanted: CallFilter) -> bool:
    return all(
        value is None or getattr(call, name) == value
        for name, value in msgspec.structs.asdict(wanted).items()
        if not name.endswith("_ms")
    )


def _field_of(cell: Cell) -> str:
    return msgspec.json.encode(cell[1:]).decode()


def _read_sums(cells: dict[Cell, list[int]], hour: int, fields: Mapping[bytes, bytes]) -> None:
    for name, number in fields.items():
        text, _, index = name.rpartition(b":")
        named: tuple[Any, ...] = msgspec.json.decode(text, type=tuple[str, str, str, str])
        numbers = cells.setdefault(Cell(hour, *named), [0] * len(NUMBERS))
        numbers[int(index)] += int(number)


async def _answer(call: Awaitable[Any]) -> Any:
    return await redis.answer(call, CALL_SECONDS)
