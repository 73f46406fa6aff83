"""Values of SQLite that are kept for owners, within a limit for each owner and one for all.

When a limit is reached the oldest values are dropped first.

    state    all values, these among them                 key -> value, expiry
    shelf    their sizes, in the order they came          key -> owner, bytes, number
    shelved  the sums of `shelf`, kept by triggers        owner -> bytes; the owner "" is all

A trigger removes the row of `shelf` when its value is deleted or expires, so the sums are right at
any time, whichever statement removes a value.
"""

import json
import time
from collections.abc import Iterable
from typing import Any

from service.ports import Bounds
from storage.state.sqlite_file import Rows

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
    # Values of earlier versions, whose keys are `response:<owner>:<id>`.
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
# Also rows without a value, left by a process that died in between.
_DROP_REST = "DELETE FROM shelf WHERE key IN (SELECT value FROM json_each(?))"


async def make_room(rows: Rows, key: str, size_bytes: int, bounds: Bounds) -> None:
    """Drop the oldest values until a new one fits and note its size, before it is stored.

    Args:
        rows: runs a statement.
        key: of the new value, which replaces any other of this key.
        size_bytes: of the new value.
        bounds: its owner, and the limits.
    """
    await rows(_PURGE, (time.time(),))  # also a value of this key that has ended
    await _drop(rows, key, bounds.owner, size_bytes - bounds.max_owner_bytes)
    await _drop(rows, key, "", size_bytes - bounds.max_bytes)
    await rows(_PUT, (key, bounds.owner, size_bytes))


async def _drop(rows: Rows, key: str, owner: str, over_bytes: int) -> None:
    """Drop the oldest values, of one owner or of all, until their sum is at most `-over_bytes`."""
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
