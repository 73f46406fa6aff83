"""Values of SQLite that are kept for owners: bounded for each owner and in all, oldest first.

    state    the values, as all others                    key -> value, until when
    shelf    what they take, in the order they came       key -> owner, bytes, number
    shelved  the sums of it, which triggers keep          owner -> bytes; the owner "" is all

A value that ends, or is deleted, leaves the shelf by a trigger, so the sums are right at any time,
whoever removes it.
"""

import json
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from service.ports import Bounds

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS shelf (key TEXT PRIMARY KEY, owner TEXT NOT NULL,"
    " bytes INTEGER NOT NULL, number INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS shelf_order ON shelf (number)",
    "CREATE INDEX IF NOT EXISTS shelf_owner ON shelf (owner, number)",
    "CREATE TABLE IF NOT EXISTS shelved (owner TEXT PRIMARY KEY, bytes INTEGER NOT NULL)"
    " WITHOUT ROWID",
    "CREATE TRIGGER IF NOT EXISTS shelf_more AFTER INSERT ON shelf BEGIN"
    " INSERT INTO shelved VALUES (new.owner, new.bytes)"
    " ON CONFLICT (owner) DO UPDATE SET bytes = bytes + new.bytes;"
    " INSERT INTO shelved VALUES ('', new.bytes)"
    " ON CONFLICT (owner) DO UPDATE SET bytes = bytes + new.bytes; END",
    "CREATE TRIGGER IF NOT EXISTS shelf_other AFTER UPDATE ON shelf BEGIN"
    " UPDATE shelved SET bytes = bytes + new.bytes - old.bytes WHERE owner IN (old.owner, ''); END",
    "CREATE TRIGGER IF NOT EXISTS shelf_less AFTER DELETE ON shelf BEGIN"
    " UPDATE shelved SET bytes = bytes - old.bytes WHERE owner IN (old.owner, '');"
    " DELETE FROM shelved WHERE owner = old.owner AND bytes <= 0; END",
    "CREATE TRIGGER IF NOT EXISTS shelf_off AFTER DELETE ON state BEGIN"
    " DELETE FROM shelf WHERE key = old.key; END",
    # What a version before had kept; its keys are `response:<owner>:<id>`.
    "INSERT INTO shelf SELECT key, substr(key, 10, instr(substr(key, 10), ':') - 1), length(value),"
    " row_number() OVER (ORDER BY expires_at, key) FROM state"
    " WHERE key >= 'response:' AND key < 'response;' AND NOT EXISTS (SELECT 1 FROM shelf)",
)
_PUT = (
    "INSERT INTO shelf SELECT ?, ?, ?, coalesce(max(number), 0) + 1 FROM shelf WHERE true"
    " ON CONFLICT (key) DO UPDATE SET bytes = excluded.bytes, number = excluded.number"
)
_SUM = (  # without the value that will be replaced
    "SELECT coalesce(max(bytes), 0) - (SELECT coalesce(max(bytes), 0) FROM shelf WHERE key = ?)"
    " FROM shelved WHERE owner = ?"
)
_OLDEST = "SELECT key, bytes FROM shelf WHERE key <> ? ORDER BY number LIMIT 100"
_OLDEST_OF = "SELECT key, bytes FROM shelf WHERE key <> ? AND owner = ? ORDER BY number LIMIT 100"
_PURGE = "DELETE FROM state WHERE expires_at <= ?"
_DROP = "DELETE FROM state WHERE key IN (SELECT value FROM json_each(?))"
# Also what a process that died has put there, and no value for it.
_DROP_REST = "DELETE FROM shelf WHERE key IN (SELECT value FROM json_each(?))"

Rows = Callable[[str, tuple[Any, ...]], Awaitable[list[Any]]]


async def make_room(rows: Rows, key: str, size_bytes: int, bounds: Bounds) -> None:
    """Drop the oldest until a value fits, and note it; the value is stored after this.

    Args:
        rows: runs a statement.
        key: of the value, which replaces any other of this key.
        size_bytes: of the value.
        bounds: whose it is, and how much there may be.
    """
    await rows(_PURGE, (time.time(),))  # also a value of this key that has ended
    await _drop(rows, key, bounds.owner, size_bytes - bounds.max_owner_bytes)
    await _drop(rows, key, "", size_bytes - bounds.max_bytes)
    await rows(_PUT, (key, bounds.owner, size_bytes))


async def _drop(rows: Rows, key: str, owner: str, over_bytes: int) -> None:
    """Drop the oldest of an owner, or of all, until they are so many bytes below their sum."""
    while True:
        [[held]] = await rows(_SUM, (key, owner))
        oldest: list[Any] = []
        if held + over_bytes > 0:
            oldest = await rows(*((_OLDEST_OF, (key, owner)) if owner else (_OLDEST, (key,))))
        if not oldest:
            return
        chosen = json.dumps(_first(oldest, held + over_bytes))
        await rows(_DROP, (chosen,))
        await rows(_DROP_REST, (chosen,))


def _first(oldest: Iterable[tuple[str, int]], excess: int) -> list[str]:
    chosen = []
    for key, size in oldest:
        if excess <= 0:
            break
        chosen.append(key)
        excess -= size
    return chosen
