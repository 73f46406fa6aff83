"""State in one SQLite file: WAL, shared by the worker processes of one machine.

Every statement is a transaction of its own, and what must be atomic (add, acquire) is one
statement. So no process ever waits for another one's round trip.

Two clocks are used. Values expire by the time of day, since they outlive a restart of the machine.
Leases count by the monotonic clock, which all processes of a machine share and which cannot be set.
It starts anew with the machine, so a lease that begins in the future was left from before the last
start.
"""

import asyncio
import fcntl
import json
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import aiosqlite
from typing_extensions import override

from service.ports import LINE_SECONDS, Bounds, Lease
from service.vocabulary.errors import StorageError
from storage.state import sqlite_shelf
from storage.state.file_lock import FileLock

logger = logging.getLogger(__name__)

BUSY_SECONDS = 3.0  # a writer holds the file for milliseconds; this bridges a slow checkpoint
SLACK_SECONDS = 10.0  # more than a statement waits between reading the clock and being run
PURGE_SECONDS = 300.0  # expired rows are invisible at once, so removing them can wait
_PASSING = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL)
_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_VERSION = 1  # of the schema, kept in the file: opening one that has it takes no write lock
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

_PURGE_LEASES = "DELETE FROM leases WHERE expires_at <= ? OR since > ?"

Parameters = tuple[Any, ...] | dict[str, Any]


class _Replaced(sqlite3.OperationalError):
    """Another process has replaced the open file by a new one."""


class _Watched(sqlite3.Connection):
    """A connection that notices when the file under its name is replaced.

    It checks before each statement, in the thread that runs it, so a disk that hangs blocks nothing
    else.
    """

    def __init__(self, database: str, **options: Any) -> None:
        super().__init__(database, **options)
        self._path = Path(database)
        self._identity = _identity(self._path)

    @override
    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Run one statement.

        Raises:
            _Replaced: the file under this name is another one.
            sqlite3.Error: SQLite cannot run it.
        """
        if _identity(self._path) != self._identity:
            raise _Replaced("the file was replaced")
        return super().execute(sql, parameters)


class SqliteBackend:
    """State in the file at `path`, opened at first use and again after a failure."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: aiosqlite.Connection | None = None
        self._opening = asyncio.Lock()
        self._is_closed = False
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

    async def ping(self) -> None:
        """Read the table."""
        await self._rows(_GET, ("", time.time()))

    async def close(self) -> None:
        """Close the file for good; a late call cannot open it again."""
        self._is_closed = True
        async with self._opening:
            await self._disconnect()

    async def _purge(self) -> None:
        """Remove expired rows, at most every `PURGE_SECONDS`."""
        now = time.monotonic()
        if now < self._purge_at:
            return
        self._purge_at = now + PURGE_SECONDS
        await self._rows("DELETE FROM state WHERE expires_at <= ?", (time.time(),))
        await self._rows(_PURGE_LEASES, (now, now + SLACK_SECONDS))

    async def _rows(self, sql: str, parameters: Parameters) -> list[Any]:
        """Run one statement; reopen a broken connection or a replaced file and try once more."""
        try:
            connection = await self._connected()
            try:
                return list(await connection.execute_fetchall(sql, parameters))
            except (sqlite3.Error, ValueError) as exc:
                # A ValueError says that another statement closed the connection meanwhile.
                if getattr(exc, "sqlite_errorcode", 0) & 0xFF in _PASSING:
                    raise
                await self._drop(connection)
            connection = await self._connected()
            return list(await connection.execute_fetchall(sql, parameters))
        except (sqlite3.Error, ValueError, OSError) as exc:
            message = f"SQLite: {exc}"
            raise StorageError(message) from exc

    async def _connected(self) -> aiosqlite.Connection:
        if self._connection is not None:
            return self._connection
        async with self._opening:
            if self._connection is None:
                self._connection = await self._connect()
            return self._connection

    async def _connect(self) -> aiosqlite.Connection:
        if self._is_closed:
            raise ValueError("closed")
        await asyncio.to_thread(_prepare, self._path)
        connection = await aiosqlite.connect(
            str(self._path), timeout=BUSY_SECONDS, isolation_level=None, factory=_Watched
        )
        try:
            await connection.execute_fetchall("PRAGMA synchronous = NORMAL")
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _drop(self, connection: aiosqlite.Connection) -> None:
        async with self._opening:
            if self._connection is connection:
                await self._disconnect()

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error, ValueError):  # it is closed because it may be broken
                await connection.close()


def _pairs(leases: Collection[Lease]) -> str:
    return json.dumps([(lease.key, lease.holder) for lease in leases])


def _expiry(ttl_seconds: float | None) -> float | None:
    return None if ttl_seconds is None else time.time() + ttl_seconds


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _prepare(path: Path) -> None:
    """Create or repair the file, one process at a time. Blocks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _exclusive(path):
        try:
            _check(path)
        except sqlite3.DatabaseError as exc:
            if exc.sqlite_errorcode & 0xFF not in _CORRUPT:
                raise
            logger.warning("the state file %s is corrupt (%s) and starts anew", path, exc)
            _move_aside(path)
            _check(path)


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Hold a file lock: two processes must not switch to WAL or replace the file at once."""
    descriptor = os.open(path.with_name(f"{path.name}.lock"), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        _lock(descriptor, time.monotonic() + BUSY_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _check(path: Path) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # SQLite would ask for 644
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version < _VERSION:
            _create(connection)
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        error = sqlite3.DatabaseError(verdict)
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def _create(connection: sqlite3.Connection) -> None:
    """Create what the file lacks of the schema, all of it or nothing."""
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        for statement in (*_SCHEMA, *sqlite_shelf.SCHEMA):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {_VERSION}")


def _move_aside(path: Path) -> None:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.replace(path.with_name(f"{path.name}.corrupt-{stamp}{suffix}"))
