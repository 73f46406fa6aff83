"""One SQLite file in WAL mode, which the worker processes of a machine share.

It is opened at first use, and again after a failure or when another file stands under its name. A
corrupt file is moved aside, and a new one begins.
"""

import asyncio
import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import aiosqlite
from msgspec import Struct
from typing_extensions import override

from service.vocabulary.errors import StorageError

logger = logging.getLogger(__name__)

BUSY_SECONDS = 3.0  # a writer holds the file for milliseconds; this bridges a slow checkpoint
STOP_SECONDS = 1.0  # for the thread of a file that is not to be opened any more
_PASSING = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL)
_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

Parameters = tuple[Any, ...] | dict[str, Any]
Rows = Callable[[str, Parameters], Awaitable[list[Any]]]


class Schema(Struct, frozen=True):
    """What a file holds.

    `version` is kept in the file: opening one that has it takes no write lock. `statements` create
    what is lacking of the schema, and may be run again. `first_settings` are run while the file may
    still be empty, `settings` on each connection; `functions` are those that statements call, by name, each with one or more values as arguments.
    """

    version: int
    statements: Sequence[str]
    settings: Sequence[str] = ()
    first_settings: Sequence[str] = ()
    functions: Mapping[str, Callable[..., Any]] = {}


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


class SqliteFile:
    """The file at `path`.

    Args:
        path: of the file, which need not exist yet.
        schema: of what it holds.
        is_checked: look for damage whenever it is opened, which reads all of it; else only after a
            statement has met some.
    """

    def __init__(self, path: Path, schema: Schema, *, is_checked: bool = True) -> None:
        self._path = path
        self._schema = schema
        self._is_checked = is_checked
        self._is_damaged = False
        self._connection: aiosqlite.Connection | None = None
        self._opening = asyncio.Lock()
        self._is_closed = False

    async def rows(self, sql: str, parameters: Parameters = ()) -> list[Any]:
        """Run one statement, and return its rows; try once more where the connection is broken.

        Raises:
            StorageError: the file cannot be read or written.
        """
        try:
            connection = await self._connected()
            try:
                return list(await connection.execute_fetchall(sql, parameters))
            except (sqlite3.Error, ValueError) as exc:
                # A ValueError says that another statement closed the connection meanwhile.
                if _code(exc) in _PASSING:
                    raise
                await self._drop(connection, exc)
            connection = await self._connected()
            return list(await connection.execute_fetchall(sql, parameters))
        except (sqlite3.Error, ValueError, OSError) as exc:
            message = f"SQLite: {exc}"
            raise StorageError(message) from exc

    async def write(self, statements: Iterable[tuple[str, Parameters]]) -> None:
        """Run statements, all of them or none.

        One task at a time may write by one object.

        Raises:
            StorageError: the file cannot be written.
        """
        connection = None
        try:
            connection = await self._connected()
            await connection.execute("BEGIN IMMEDIATE")
            for sql, parameters in statements:
                await connection.execute(sql, parameters)
            await connection.commit()
        except (sqlite3.Error, ValueError, OSError) as exc:
            if connection is not None:
                await self._drop(connection, exc)  # this also undoes what was begun
            message = f"SQLite: {exc}"
            raise StorageError(message) from exc
        except BaseException:
            if connection is not None:
                await self._drop(connection)
            raise

    async def shrink(self) -> None:
        """Give the free pages of a file with `auto_vacuum` back to the disk.

        Raises:
            StorageError: the file cannot be written.
        """
        try:
            connection = await self._connected()
            # As a script, since Python steps a statement without columns only once: one page.
            await connection.executescript(
                "PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE);"
            )
        except (sqlite3.Error, ValueError, OSError) as exc:
            message = f"SQLite: {exc}"
            raise StorageError(message) from exc

    async def close(self) -> None:
        """Close the file for good; a late call cannot open it again."""
        self._is_closed = True
        async with self._opening:
            await self._disconnect()

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
        is_checked = self._is_checked or self._is_damaged
        await asyncio.to_thread(_prepare, self._path, self._schema, is_checked=is_checked)
        self._is_damaged = False
        connection = aiosqlite.connect(
            str(self._path), timeout=BUSY_SECONDS, isolation_level=None, factory=_Watched
        )
        try:
            connection = await connection
            for setting in ("PRAGMA synchronous = NORMAL", *self._schema.settings):
                await connection.execute_fetchall(setting)
            for name, function in self._schema.functions.items():
                await connection.create_function(name, -1, function, deterministic=True)
        except BaseException:
            await connection.close()
            # If this is cancelled, the thread still reports to the event loop: that may end only later.
            await asyncio.to_thread(connection._thread.join, STOP_SECONDS)  # noqa: SLF001 - see above
            raise
        return connection

    async def _drop(self, connection: aiosqlite.Connection, exc: Exception | None = None) -> None:
        self._is_damaged |= exc is not None and _code(exc) in _CORRUPT
        async with self._opening:
            if self._connection is connection:
                await self._disconnect()

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error, ValueError):  # it is closed because it may be broken
                await connection.close()


def _code(exc: Exception) -> int:
    """Return SQLite's primary code of an error, 0 for any other."""
    return getattr(exc, "sqlite_errorcode", 0) & 0xFF


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _prepare(path: Path, schema: Schema, *, is_checked: bool) -> None:
    """Create or repair the file, one process at a time. Blocks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _exclusive(path):
        try:
            _check(path, schema, is_checked=is_checked)
        except sqlite3.DatabaseError as exc:
            if _code(exc) not in _CORRUPT:
                raise
            logger.warning("the file %s is corrupt (%s) and starts anew", path, exc)
            _move_aside(path)
            _check(path, schema, is_checked=is_checked)


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


def _check(path: Path, schema: Schema, *, is_checked: bool) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # SQLite would ask for 644
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        is_behind = version < schema.version
        for setting in schema.first_settings if is_behind else ():
            connection.execute(setting)
        connection.execute("PRAGMA journal_mode = WAL")
        if is_behind:
            _create(connection, schema)
        verdict = "ok"
        if is_checked:
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        error = sqlite3.DatabaseError(verdict)
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def _create(connection: sqlite3.Connection, schema: Schema) -> None:
    """Create what the file lacks of the schema, all of it or nothing."""
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        for statement in schema.statements:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {schema.version}")


def _move_aside(path: Path) -> None:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.replace(path.with_name(f"{path.name}.corrupt-{stamp}{suffix}"))
