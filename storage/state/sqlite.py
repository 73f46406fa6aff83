"""State in one SQLite file: WAL, shared by the worker processes of one machine.

Every statement is a transaction of its own, and what must be atomic (add, acquire) is one
statement. So no process ever waits for another one's round trip.

Two clocks are used. Values expire by the time of day, since they outlive a restart of the machine.
Leases count by the monotonic clock, which all processes of a machine share and which cannot be set.
It starts anew with the machine, so a lease that begins in the future was left from before the last
start.
"""

import json
import time
from collections.abc import Callable, Collection
from pathlib import Path

from service.ports import LINE_SECONDS, Bounds, Lease
from service.vocabulary.ledger.budgets import BudgetStep, Spent, Taken
from storage.state import sqlite_budgets, sqlite_shelf
from storage.state.file_lock import FileLock
from storage.state.sqlite_file import Schema, SqliteFile

SLACK_SECONDS = 10.0  # more than a statement waits between reading the clock and being run
PURGE_SECONDS = 300.0  # expired rows are invisible at once, so removing them can wait
PURGED_ROWS = 5_000  # at once: a statement that takes seconds fails, and would again
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value BLOB NOT NULL, expires_at REAL)",
    "CREATE INDEX IF NOT EXISTS state_expiry ON state (expires_at) WHERE expires_at IS NOT NULL",
    "CREATE TABLE IF NOT EXISTS leases"
    " (key TEXT NOT NULL, holder TEXT NOT NULL, since REAL NOT NULL, expires_at REAL NOT NULL,"
    " is_held INTEGER NOT NULL, PRIMARY KEY (key, holder)) WITHOUT ROWID",
)
_GET = "SELECT value FROM state WHERE key = ? AND (expires_at IS NULL OR expires_at > ?)"
_SET = (
    "INSERT INTO state (key, value, expires_at) VALUES (?, ?, ?) ON CONFLICT (key)"
    " DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at"
)
_LAST_CHARACTER = "\U0010ffff"
_PAGE = (
    "SELECT key, value FROM state WHERE key > ? AND key < ?"
    " AND (expires_at IS NULL OR expires_at > ?) ORDER BY key LIMIT 100"
)
_REPLACE = "UPDATE state SET value = ? WHERE key = ? AND value = ? RETURNING 1"
_ADD = f"{_SET} WHERE state.expires_at <= ? RETURNING 1"
# In order of arrival: leases that are held, and those that wait for longer, are ahead.
_ACQUIRE = """
WITH alive AS (
    SELECT * FROM leases WHERE key = :key AND expires_at > :now AND since <= :now + :slack
), mine (since, is_held) AS (
    SELECT coalesce(max(since), :now - :waited), coalesce(max(is_held), 0) FROM alive
    WHERE holder = :holder
), ahead (number) AS (
    SELECT count(*) FROM alive, mine WHERE holder <> :holder
    AND (alive.is_held OR (alive.since, holder) < (mine.since, :holder))
), verdict (since, is_held) AS (
    SELECT since, is_held OR number < :limit FROM mine, ahead
)
INSERT INTO leases (key, holder, since, expires_at, is_held)
SELECT :key, :holder, since, :now + iif(is_held, :ttl, :line), is_held FROM verdict WHERE true
ON CONFLICT (key, holder) DO UPDATE SET
    since = excluded.since, expires_at = excluded.expires_at, is_held = excluded.is_held
RETURNING is_held
"""
_RENEW = (
    "INSERT OR REPLACE INTO leases (key, holder, since, expires_at, is_held)"
    " SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), ?, ?, 1 FROM json_each(?)"
)
_RELEASE = (
    "DELETE FROM leases WHERE (key, holder) IN"
    " (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?))"
)

_PURGE = "DELETE FROM state WHERE key IN (SELECT key FROM state WHERE expires_at <= ? LIMIT ?) RETURNING 1"
_PURGE_LEASES = "DELETE FROM leases WHERE expires_at <= ? OR since > ?"
_ALL = Schema(
    2,
    (*_SCHEMA, *sqlite_shelf.SCHEMA, *sqlite_budgets.SCHEMA),
    functions=sqlite_budgets.FUNCTIONS,
)


class SqliteBackend:
    """State in the file at `path`, opened at first use and again after a failure."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = SqliteFile(path, _ALL)
        self._rows = self._file.rows
        self._purge_at = -PURGE_SECONDS  # of the monotonic clock

    async def get(self, key: str) -> bytes | None:
        """Return the value, or None when absent or expired."""
        rows = await self._rows(_GET, (key, time.time()))
        return bytes(rows[0][0]) if rows else None

    async def set(self, key: str, value: bytes, ttl_seconds: float | None) -> None:
        """Store the value for `ttl_seconds` or for good."""
        await self._purge()
        await self._rows(_SET, (key, value, _expiry(ttl_seconds)))

    async def delete(self, key: str) -> None:
        """Forget the value, if any."""
        await self._rows("DELETE FROM state WHERE key = ?", (key,))

    async def keep(self, key: str, value: bytes, ttl_seconds: float, bounds: Bounds) -> None:
        """Store a value for an owner, dropping the oldest values until it fits."""
        await sqlite_shelf.make_room(self._rows, key, len(value), bounds)
        await self._rows(_SET, (key, value, _expiry(ttl_seconds)))

    async def forget(self, key: str) -> None:
        """Delete a value that is kept for an owner; triggers update the sums."""
        await self.delete(key)

    async def add(self, key: str, value: bytes, ttl_seconds: float | None) -> bool:
        """Store the value if there is none; return whether it was stored."""
        await self._purge()
        parameters = (key, value, _expiry(ttl_seconds), time.time())
        return bool(await self._rows(_ADD, parameters))

    async def rewrite(self, prefix: str, change: Callable[[bytes], bytes | None]) -> int:
        """Change the values of all keys with this prefix; return how many were changed."""
        number, last = 0, prefix
        while rows := await self._rows(_PAGE, (last, prefix + _LAST_CHARACTER, time.time())):
            for key, value in rows:
                changed = change(bytes(value))
                if changed is not None:
                    number += len(await self._rows(_REPLACE, (changed, key, value)))
            last = rows[-1][0]
        return number

    def lock(self, name: str, ttl_seconds: float) -> FileLock:
        """Return the lock of this name; the kernel frees it with its process, not after a time."""
        del ttl_seconds
        return FileLock(self._path.with_name(f"{self._path.name}.locks"), name)

    async def acquire(
        self, lease: Lease, limit: int, ttl_seconds: float, waited_seconds: float
    ) -> bool:
        """Take or prolong a place, or wait in line for it; return whether it is held."""
        await self._purge()
        parameters = {
            "key": lease.key,
            "holder": lease.holder,
            "limit": limit,
            "now": time.monotonic(),
            "slack": SLACK_SECONDS,
            "ttl": ttl_seconds,
            "waited": waited_seconds,
            "line": LINE_SECONDS,
        }
        rows = await self._rows(_ACQUIRE, parameters)
        return bool(rows[0][0])

    async def renew(self, leases: Collection[Lease], ttl_seconds: float) -> None:
        """Hold the places for `ttl_seconds` from now, also those that the file has lost."""
        now = time.monotonic()
        await self._rows(_RENEW, (now, now + ttl_seconds, _pairs(leases)))

    async def release(self, leases: Collection[Lease]) -> None:
        """Delete the leases, held or waiting."""
        await self._rows(_RELEASE, (_pairs(leases),))

    async def spend(self, key: str, step: BudgetStep) -> Taken:
        """Do a step on the counts of a budget, and return them."""
        await self._purge()
        return await sqlite_budgets.spend(self._rows, key, step)

    async def spent(self, keys: Collection[str]) -> dict[str, Spent]:
        """Return the counts of budgets, without those that have none."""
        return await sqlite_budgets.spent(self._rows, keys)

    async def ping(self) -> None:
        """Read the table."""
        await self._rows(_GET, ("", time.time()))

    async def close(self) -> None:
        """Close the file for good; a late call cannot open it again."""
        await self._file.close()

    async def _purge(self) -> None:
        """Remove expired rows, at most every `PURGE_SECONDS` unless many are left."""
        now = time.monotonic()
        if now < self._purge_at:
            return
        self._purge_at = now + PURGE_SECONDS
        if len(await self._rows(_PURGE, (time.time(), PURGED_ROWS))) == PURGED_ROWS:
            self._purge_at = now
        await self._rows(_PURGE_LEASES, (now, now + SLACK_SECONDS))
        await self._rows(sqlite_budgets.PURGE, (time.time(),))


def _pairs(leases: Collection[Lease]) -> str:
    return json.dumps([(lease.key, lease.holder) for lease in leases])


def _expiry(ttl_seconds: float | None) -> float | None:
    return None if ttl_seconds is None else time.time() + ttl_seconds
