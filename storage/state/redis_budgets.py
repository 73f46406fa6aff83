"""What gateway keys have used of their budgets, in Redis: one hash a key, changed by one script.

    budget:<key>    a hash: <window>:<begin of the bucket>:<unit> -> a number

For example `day:1764460800:requests` -> `42`. The arithmetic is that of `take` in
`service/vocabulary/ledger/budgets.py`, and the times are those of the gateway that asks.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis

from service.vocabulary.ledger.budgets import BudgetStep, Counts, Spent, Taken, Unit, Window

_KEPT_MILLISECONDS = 40 * 86_400_000  # longer than a month
# ARGV: the step as JSON, and how long the hash is kept.
_TAKE = """
local key, step = KEYS[1], cjson.decode(ARGV[1])
local function add(window, begin, counts)
  for unit, more in pairs(counts) do
    local field = string.format('%s:%.0f:%s', window, begin, unit)
    if more ~= 0 and redis.call('hincrby', key, field, string.format('%.0f', more)) <= 0 then
      redis.call('hdel', key, field)
    end
  end
end
for _, change in ipairs(step.changes) do
  add(change[1], change[2], {requests = change[3][1], tokens = change[3][2]})
end
local sums = {}
local fields = redis.call('hgetall', key)
for i = 1, #fields, 2 do
  local window, begin, unit = string.match(fields[i], '^(.*):(-?%d+):(%a+)$')
  local span = step.spans[window]
  begin = tonumber(begin)
  if not span or begin < span.kept_from or begin > step.kept_to then
    redis.call('hdel', key, fields[i])
  elseif begin >= span.counted_from and begin <= span.counted_to then
    local name = window .. ':' .. unit
    sums[name] = (sums[name] or 0) + tonumber(fields[i + 1])
  end
end
local let_in = step.asking
for window, span in pairs(step.spans) do
  local requests, tokens = sums[window .. ':requests'] or 0, sums[window .. ':tokens'] or 0
  if span.max_tokens > 0 and tokens >= span.max_tokens then let_in = 0 end
  if span.max_requests > 0 then
    let_in = math.min(let_in, math.max(0, span.max_requests - requests))
  end
end
if let_in > 0 then
  for window, begin in pairs(step.current) do
    add(window, begin, {requests = let_in, tokens = 0})
  end
end
redis.call('pexpire', key, ARGV[2])
return {let_in, redis.call('hgetall', key)}
"""

Answer = Callable[[Awaitable[Any]], Awaitable[Any]]


class RedisBudgets:
    """The counts of budgets in one server.

    Args:
        client: of the server.
        prefix: of all keys.
        answer: waits for a command and translates its errors.
    """

    def __init__(self, client: Redis, prefix: str, answer: Answer) -> None:
        self._client = client
        self._prefix = f"{prefix}budget:"
        self._answer = answer
        self._take = client.register_script(_TAKE)

    async def spend(self, key: str, step: BudgetStep) -> Taken:
        """Do a step on the counts of a key, and return them."""
        arguments: list[bytes | int] = [msgspec.json.encode(step), _KEPT_MILLISECONDS]
        call = self._take(keys=[self._prefix + key], args=arguments)
        let_in, fields = await self._answer(call)
        return Taken(_read(dict(zip(fields[::2], fields[1::2], strict=True))), int(let_in))

    async def spent(self, keys: Collection[str]) -> dict[str, Spent]:
        """Return the counts of keys, without those that have none."""
        async with self._client.pipeline(transaction=False) as calls:
            for key in keys:
                _ = calls.hgetall(self._prefix + key)  # awaited with all others
            found: Sequence[dict[bytes, bytes]] = await self._answer(calls.execute())
        return {key: _read(fields) for key, fields in zip(keys, found, strict=True) if fields}


def _read(fields: dict[bytes, bytes]) -> Spent:
    spent: Spent = {}
    for name, number in fields.items():
        window, begin, unit = name.decode().rsplit(":", 2)
        buckets = spent.setdefault(Window(window), {})
        old = buckets.get(int(begin), Counts())
        is_requests = unit == Unit.REQUESTS
        buckets[int(begin)] = Counts(
            int(number) if is_requests else old.requests,
            old.tokens if is_requests else int(number),
        )
    return spent
