"""The SQLite store alone: its file, which other processes see and which can break."""

import asyncio
import logging
import os
import resource
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from service.ports import Lease, StateStore
from service.vocabulary.errors import StorageError
from storage.state import sqlite
from storage.state.sqlite import SqliteBackend
from storage.state.store import PAUSE_SECONDS, open_state


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def failures() -> list[str]:
    return []


@pytest.fixture
async def opened(path: Path, failures: list[str]) -> AsyncIterator[Callable[[], StateStore]]:
    stores: list[StateStore] = []

    def another() -> StateStore:
        stores.append(open_state(f"sqlite:{path}", failures.append))
        return stores[-1]

    yield another
    for store in stores:
        await store.close()


async def test_state_survives_a_restart(opened: Callable[[], StateStore]) -> None:
    before = opened()
    await before.set("key", b"value", ttl_seconds=60)
    await before.close()
    assert await opened().get("key") == b"value"


async def test_the_file_is_for_its_owner_only(opened: Callable[[], StateStore], path: Path) -> None:
    await opened().set("key", b"value")
    modes = {part.name: oct(part.stat().st_mode & 0o777) for part in path.parent.iterdir()}
    assert "state.db-wal" in modes
    assert set(modes.values()) == {"0o600"}


async def test_expired_rows_leave_the_file(opened: Callable[[], StateStore], path: Path) -> None:
    before = opened()
    await before.set("short", b"value", ttl_seconds=0.01)
    await before.set("long", b"value", ttl_seconds=60)
    await asyncio.sleep(0.05)
    await opened().set("other", b"value")
    with closing(sqlite3.connect(path)) as reader:
        assert reader.execute("SELECT key FROM state ORDER BY key").fetchall() == [
            ("long",),
            ("other",),
        ]


async def test_many_expired_rows_leave_it_in_steps(
    opened: Callable[[], StateStore], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "PURGED_ROWS", 3)
    before = opened()
    for number in range(8):
        await before.set(f"old {number}", b"value", ttl_seconds=-1)
    store, left = opened(), []
    for _ in range(4):
        await store.set("key", b"value")
        with closing(sqlite3.connect(path)) as reader:
            left += reader.execute("SELECT count(*) FROM state").fetchone()
    assert left == [6, 3, 1, 1]


@pytest.fixture(params=[b"not a database, but long enough\n" * 200, b"SQLite format 3\0"])
def garbage(request: pytest.FixtureRequest, path: Path) -> bytes:
    garbage: bytes = request.param
    path.write_bytes(garbage)
    return garbage


async def test_a_corrupt_file_is_moved_aside_with_a_warning(
    opened: Callable[[], StateStore],
    path: Path,
    failures: list[str],
    caplog: pytest.LogCaptureFixture,
    garbage: bytes,
) -> None:
    one, two = opened(), opened()
    await asyncio.gather(one.set("one", b"1"), two.set("two", b"2"))
    assert await one.get("two") == b"2"
    assert failures == []
    (aside,) = path.parent.glob("state.db.corrupt-*")
    assert aside.read_bytes() == garbage
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


async def test_a_file_that_becomes_corrupt_while_open_is_replaced(
    opened: Callable[[], StateStore], path: Path, failures: list[str]
) -> None:
    one, two = opened(), opened()
    for number in range(200):
        await one.set(f"{number}", b"x" * 500)
    await two.get("1")
    await one.close()
    await two.close()
    three, four = opened(), opened()
    await three.get("1")
    await four.get("1")
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 60_000)
    for number in range(200):
        await three.get(f"{number}")
    await three.set("key", b"1")
    assert await three.get("key") == b"1"
    assert await four.get("key") == b"1"
    assert failures == []
    assert len(list(path.parent.glob("state.db.corrupt-*[0-9]"))) == 1


async def test_a_file_that_was_deleted_is_made_again(
    opened: Callable[[], StateStore], path: Path, failures: list[str]
) -> None:
    one, two = opened(), opened()
    await one.set("key", b"1")
    assert await two.get("key") == b"1"
    for part in path.parent.iterdir():
        part.unlink()
    await one.set("key", b"2")
    assert await two.get("key") == b"2"
    assert failures == []


@pytest.mark.whole
async def test_a_full_disk_leaves_what_is_stored_readable(
    opened: Callable[[], StateStore], failures: list[str]
) -> None:
    store = opened()
    await store.set("key", b"1")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))
    try:
        await store.set("big", b"x" * 1_000_000)
        assert await store.get("key") == b"1"
        assert await store.get("big") is None
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert set(failures) == {"set"}
    await asyncio.sleep(PAUSE_SECONDS + 0.1)
    await store.set("big", b"2")
    assert await store.get("big") == b"2"


async def test_a_writer_waits_for_another_one(
    opened: Callable[[], StateStore], path: Path, failures: list[str]
) -> None:
    store = opened()
    await store.set("key", b"1")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        writing = asyncio.ensure_future(store.set("key", b"2"))
        await asyncio.sleep(0.1)
        other.execute("COMMIT")
    await writing
    assert await store.get("key") == b"2"
    assert failures == []


async def test_a_store_that_is_opened_while_another_process_writes_can_be_read(
    opened: Callable[[], StateStore], path: Path, failures: list[str]
) -> None:
    await opened().set("key", b"value")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert await opened().get("key") == b"value"
        other.execute("ROLLBACK")
    assert failures == []


async def test_a_closed_store_is_not_opened_again(path: Path) -> None:
    backend = SqliteBackend(path)
    await backend.set("key", b"1", None)
    await backend.close()
    with pytest.raises(StorageError, match="closed"):
        await backend.get("key")


async def test_leases_of_an_earlier_life_of_the_machine_hold_no_place(
    opened: Callable[[], StateStore], path: Path
) -> None:
    """The monotonic clock starts anew with the machine; earlier versions used the time of day."""
    store = opened()
    await store.release([])
    for since in (time.monotonic() + 3600, time.time()):
        row = ("key", f"dead {since}", since, since + 10, 1)
        with closing(sqlite3.connect(path)) as other, other:
            other.execute("INSERT INTO leases VALUES (?, ?, ?, ?, ?)", row)
    assert await store.acquire(Lease("key", "living"), 1, 10)


async def test_leases_do_not_end_when_the_clock_is_set(
    opened: Callable[[], StateStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened()
    assert await store.acquire(Lease("key", "one"), 1, 10)
    for seconds in (86_400, -86_400):
        now = time.time() + seconds
        monkeypatch.setattr("time.time", lambda now=now: now)
        assert not await store.acquire(Lease("key", "other"), 1, 10)
        monkeypatch.undo()


async def test_the_loop_never_looks_at_the_disk(
    opened: Callable[[], StateStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 12.5: a hanging disk must block only the requests that use it."""
    stat, threads = os.stat, set()

    def watched(path: object, **options: Any) -> os.stat_result:
        threads.add(threading.current_thread())
        return stat(path, **options)  # type: ignore[arg-type]

    store = opened()
    await store.set("key", b"1")
    monkeypatch.setattr(os, "stat", watched)
    await store.set("key", b"2")
    assert await store.get("key") == b"2"
    async with store.lock("key", 10, 10):
        pass
    monkeypatch.undo()
    assert threads
    assert threading.main_thread() not in threads
