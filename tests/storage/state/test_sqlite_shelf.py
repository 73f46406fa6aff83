"""The sums of kept values are right, whichever statement removes one."""

import asyncio
import random
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from service.ports import Bounds
from storage.state import sqlite
from storage.state.sqlite import SqliteBackend


def rows(path: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def sums(path: Path) -> dict[str, int]:
    return {owner: size for owner, size in rows(path, "SELECT * FROM shelved") if size}


def held(path: Path) -> dict[str, int]:
    """Return the sums as they should be, computed from the values."""
    found = Counter[str]()
    for key, size in rows(path, "SELECT key, length(value) FROM state"):
        found.update({key.split(":")[1]: size, "": size})
    return dict(found)


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Callable[[], SqliteBackend]]:
    """Return a function that opens the file as each process does."""
    async with AsyncExitStack() as stack:

        def another() -> SqliteBackend:
            backend = SqliteBackend(tmp_path / "state.db")
            stack.push_async_callback(backend.close)
            return backend

        yield another


async def test_the_sums_are_those_of_the_values(
    make: Callable[[], SqliteBackend], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "PURGE_SECONDS", 0.0)
    path, chance = tmp_path / "state.db", random.Random(1)
    backends = [make() for _ in range(3)]
    for _ in range(300):
        backend, owner = chance.choice(backends), chance.choice("abcd")
        key = f"response:{owner}:{chance.randrange(8)}"
        step = chance.random()
        if step < 0.15:
            await backend.forget(key)
        elif step < 0.2:
            await backend.delete(key)
        else:
            value = b"x" * chance.randrange(1, 200)
            seconds = chance.choice([0.01, 60.0])
            await backend.keep(key, value, seconds, Bounds(owner, 500, 1500))
        told = sums(path)
        assert told == held(path)
        assert told.pop("", 0) <= 1500
        assert max(told.values(), default=0) <= 500


async def test_what_an_older_version_kept_counts_and_goes_first(
    make: Callable[[], SqliteBackend], tmp_path: Path
) -> None:
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as connection:
        for statement in sqlite._SCHEMA:
            connection.execute(statement)
        later = time.time() + 1000
        for number in range(4):
            row = (f"response:{'ab' * 16}:resp_{number}", b"x" * 100, later + number)
            connection.execute("INSERT INTO state VALUES (?, ?, ?)", row)
        connection.execute("INSERT INTO state VALUES ('token:x', 'y', NULL)")
        connection.commit()
    backend, owner = make(), "ab" * 16
    await backend.keep(f"response:{owner}:new", b"x" * 100, 60, Bounds(owner, 300, 1000))
    assert sums(path) == {owner: 300, "": 300}
    kept = [key for (key,) in rows(path, "SELECT key FROM state ORDER BY key")]
    names = ("new", "resp_2", "resp_3")
    assert kept == [*(f"response:{owner}:{name}" for name in names), "token:x"]


async def test_a_note_without_a_value_makes_room_too(
    make: Callable[[], SqliteBackend], tmp_path: Path
) -> None:
    """A process may die between the two statements."""
    path, backend = tmp_path / "state.db", make()
    await backend.ping()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO shelf VALUES ('response:a:lost', 'a', 400, 1)")
        connection.commit()
    async with asyncio.timeout(30):
        await backend.keep("response:a:0", b"x" * 200, 60, Bounds("a", 500, 500))
    assert sums(path) == held(path) == {"a": 200, "": 200}
