"""A file that is opened, shared, damaged and replaced; what is kept in one has tests of its own."""

import asyncio
import json
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from service.vocabulary.errors import StorageError
from storage.state import sqlite_file
from storage.state.sqlite_file import Schema, SqliteFile

SCHEMA = Schema(1, ("CREATE TABLE IF NOT EXISTS words (word TEXT UNIQUE)",))
ADD = "INSERT INTO words VALUES (?)"
ADD_MANY = "INSERT INTO words SELECT value FROM json_each(?)"


def moved_aside(path: Path) -> list[Path]:
    return list(path.parent.glob(f"{path.name}.corrupt-*[0-9]"))


async def words(file: SqliteFile) -> list[str]:
    return [word for (word,) in await file.rows("SELECT word FROM words ORDER BY word")]


async def test_all_rows_of_a_write_are_kept_or_none(tmp_path: Path) -> None:
    file = SqliteFile(tmp_path / "new" / "a.db", SCHEMA)
    await file.write(((ADD_MANY, ('["a", "b"]',)), (ADD, ("c",))))
    with pytest.raises(StorageError):
        await file.write(((ADD, ("d",)), (ADD_MANY, ('["e", "a"]',))))
    assert await words(file) == ["a", "b", "c"]
    await file.write(((ADD, ("d",)),))
    assert await words(file) == ["a", "b", "c", "d"]
    await file.close()


async def test_a_write_that_is_cancelled_leaves_nothing_and_no_lock(tmp_path: Path) -> None:
    file, other = (SqliteFile(tmp_path / "a.db", SCHEMA) for _ in range(2))
    assert await words(file) == []
    many = list(map(str, range(100_000)))
    writing = asyncio.ensure_future(file.write(((ADD_MANY, (json.dumps(many),)),)))
    await asyncio.sleep(0.01)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await other.write(((ADD, ("a",)),))
    assert len(await words(other)) in (1, len(many) + 1)
    await file.close()
    await other.close()


def test_an_opening_that_is_cancelled_reports_to_no_loop_that_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, may_go_on = threading.Event(), threading.Event()
    reports: list[object] = []

    class Slow(sqlite3.Connection):
        def __init__(self, database: str, **options: Any) -> None:
            began.set()
            may_go_on.wait()
            super().__init__(database, **options)

    async def cancel_in_the_middle() -> None:
        opening = asyncio.ensure_future(SqliteFile(tmp_path / "a.db", SCHEMA).rows("SELECT 1"))
        await asyncio.to_thread(began.wait)
        opening.cancel()
        threading.Timer(0.1, may_go_on.set).start()  # by then, nothing else keeps the loop
        with pytest.raises(asyncio.CancelledError):
            await opening

    monkeypatch.setattr(sqlite_file, "_Watched", Slow)
    monkeypatch.setattr(sqlite_file, "STOP_SECONDS", 60)
    monkeypatch.setattr(threading, "excepthook", reports.append)
    before = set(threading.enumerate())
    asyncio.run(cancel_in_the_middle())
    for thread in set(threading.enumerate()) - before:
        thread.join()
    assert reports == []


async def test_a_locked_file_is_an_error_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "BUSY_SECONDS", 0.1)
    file = SqliteFile(tmp_path / "a.db", SCHEMA)
    assert await words(file) == []
    other = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match="locked"):
        await file.write(((ADD, ("a",)),))
    other.execute("ROLLBACK")
    other.close()
    await file.write(((ADD, ("a",)),))
    assert await words(file) == ["a"]
    await file.close()


async def test_a_file_that_is_not_checked_when_opened_is_so_after_it_met_damage(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.db"
    file = SqliteFile(path, SCHEMA, is_checked=False)
    await file.write(((ADD_MANY, (json.dumps([str(number) * 100 for number in range(1_000)]),)),))
    await file.close()
    raw = bytearray(path.read_bytes())
    raw[4096:] = b"\xff" * (len(raw) - 4096)
    path.write_bytes(raw)
    file = SqliteFile(path, SCHEMA, is_checked=False)
    assert await words(file) == []
    assert "is corrupt" in caplog.text
    await file.write(((ADD, ("a",)),))
    assert await words(file) == ["a"]
    assert len(moved_aside(path)) == 1
    await file.close()
