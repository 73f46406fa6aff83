"""What gateway keys have used of their budgets, in SQLite: one row a key, changed by one statement.

    budgets    key -> the buckets as JSON, and when the last of them ends

The statement calls a function of ours, which SQLite runs while it holds the write lock. So the
arithmetic is the same as in memory, and no other process can come between. A step that comes too
late, when its caller has given up and gone on by itself, does nothing.
"""

import json
import time
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from service.vocabulary.ledger.budgets import (
    BudgetStep,
    Spent,
    Taken,
    Window,
    renewal_of,
    take,
)
from storage.state.sqlite_file import Rows

GIVE_UP_SECONDS = 4.0  # less than callers wait (`storage/state/store.py`)
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS budgets"
    " (key TEXT PRIMARY KEY, taken BLOB NOT NULL, ends_at INTEGER NOT NULL) WITHOUT ROWID",
)
PURGE = "DELETE FROM budgets WHERE ends_at <= ?"
_TAKE = (
    "INSERT INTO budgets VALUES (:key, stepped(NULL, :step, :until), :ends_at) ON CONFLICT (key)"
    " DO UPDATE SET taken = stepped(taken, :step, :until), ends_at = excluded.ends_at"
    " RETURNING taken"
)
_READ = "SELECT key, taken FROM budgets WHERE key IN (SELECT value FROM json_each(?))"

_decode = msgspec.json.Decoder(Taken).decode


def _stepped(before: bytes | None, step: bytes, until: float) -> bytes:
    """Return a row's value after a step, which is JSON, as SQLite calls it.

    Raises:
        TimeoutError: it comes after `until` on the monotonic clock.
    """
    if time.monotonic() > until:
        raise TimeoutError("the step comes too late")
    spent = _read(before).spent
    let_in = take(spent, _step(step))
    return msgspec.json.encode(Taken(spent, let_in))


FUNCTIONS: Mapping[str, Callable[..., Any]] = {"stepped": _stepped}


async def spend(rows: Rows, key: str, step: BudgetStep) -> Taken:
    """Do a step on the counts of a key, and return them.

    Args:
        rows: runs a statement.
        key: of the budget.
        step: of its counts.
    """
    ends_at = renewal_of(Window.MONTH, step.kept_to)
    parameters = {
        "key": key,
        "step": msgspec.json.encode(step),
        "until": time.monotonic() + GIVE_UP_SECONDS,
        "ends_at": ends_at,
    }
    [[taken]] = await rows(_TAKE, parameters)
    return _read(taken)


async def spent(rows: Rows, keys: Collection[str]) -> dict[str, Spent]:
    """Return the counts of keys, without those that have none."""
    found = await rows(_READ, (json.dumps(list(keys)),))
    return {key: _read(taken).spent for key, taken in found}


@lru_cache(maxsize=4)  # an upsert reads its step twice
def _step(step: bytes) -> BudgetStep:
    return msgspec.json.decode(step, type=BudgetStep)


def _read(taken: bytes | None) -> Taken:
    try:
        return _decode(taken) if taken else Taken({}, 0)
    except msgspec.DecodeError:
        return Taken({}, 0)  # of another version: the counts begin anew
