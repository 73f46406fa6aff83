"""What gateway keys have used of their budgets, in SQLite: one row a key, changed by one statement.

    budgets    key -> the buckets as JSON, and when the last of them ends

The statement calls a function of ours, which SQLite runs while it holds the write lock. So the
arithmetic is the same as in memory, and no other process can come between.
"""

import json
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

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS budgets"
    " (key TEXT PRIMARY KEY, taken BLOB NOT NULL, ends_at INTEGER NOT NULL) WITHOUT ROWID",
)
PURGE = "DELETE FROM budgets WHERE ends_at <= ?"
_TAKE = (
    "INSERT INTO budgets VALUES (:key, stepped(NULL, :step), :ends_at) ON CONFLICT (key)"
    " DO UPDATE SET taken = stepped(taken, :step), ends_at = excluded.ends_at RETURNING taken"
)
_READ = "SELECT key, taken FROM budgets WHERE key IN (SELECT value FROM json_each(?))"

_decode = msgspec.json.Decoder(Taken).decode


def _stepped(before: bytes | None, step: bytes) -> bytes:
    """Return a row's value after a step, which is JSON, as SQLite calls it."""
    spent = _read(before).spent
    is_let_in = take(spent, _step(step))
    return msgspec.json.encode(Taken(spent, is_let_in))


FUNCTIONS: Mapping[str, Callable[..., Any]] = {"stepped": _stepped}


async def spend(rows: Rows, key: str, step: BudgetStep) -> Taken:
    """Do a step on the counts of a key, and return them.

    Args:
        rows: runs a statement.
        key: of the budget.
        step: of its counts.
    """
    ends_at = renewal_of(Window.MONTH, step.kept_to)
    parameters = {"key": key, "step": msgspec.json.encode(step), "ends_at": ends_at}
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
        return _decode(taken) if taken else Taken({}, is_let_in=False)
    except msgspec.DecodeError:
        return Taken({}, is_let_in=False)  # of another version: the counts begin anew
