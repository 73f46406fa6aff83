"""The log of calls in SQLite."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec import structs

from service.vocabulary.errors import StorageError
from service.vocabulary.ledger.calls import CallFilter, CallLimits
from storage.ledger import sqlite_calls
from storage.ledger.sqlite_calls import SqliteCalls
from tests.full_disk import no_room_for_files
from tests.storage.ledger.calls import (
    DAY_MS,
    FILTERS,
    NOW_MS,
    check_totals,
    expected,
    made,
    pages,
)

MIB = 1024 * 1024


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "calls.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteCalls]:
    store = SqliteCalls(path, lambda: NOW_MS / 1000)
    yield store
    await store.close()


def size_on_disk(path: Path) -> int:
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))


async def test_an_empty_log_has_an_empty_page(store: SqliteCalls) -> None:
    page = await store.page(CallFilter(), 10)
    assert (page.calls, page.next) == ((), None)


@pytest.mark.parametrize("looked_at", [7, 20_000])
async def test_pages_have_every_call_once_and_in_order(
    store: SqliteCalls, monkeypatch: pytest.MonkeyPatch, looked_at: int
) -> None:
    monkeypatch.setattr(sqlite_calls, "MAX_LOOKED_AT", looked_at)
    calls = made(300, within_ms=DAY_MS)
    calls += [structs.replace(call, at_ms=NOW_MS - 5) for call in made(30, seed=1)]  # of one time
    for begin in range(0, len(calls), 50):
        await store.write(calls[begin : begin + 50])
    for wanted in FILTERS:
        for limit in (1, 7, 500):
            assert await pages(store, wanted, limit) == expected(calls, wanted), (wanted, limit)


async def test_texts_of_any_characters_come_back(store: SqliteCalls) -> None:
    odd = "".join(map(chr, (*range(0x300), 0x2028, 0xFFFF, 0x1F600, 0x10FFFF))) + r"\u0000 \\u0000"
    [call] = made(1)
    call = structs.replace(call, model=odd, bodies=odd, cached_tokens=(1 << 63) - 1)
    await store.write([call])
    whole = odd.replace("\0", "\ufffd")
    expected = structs.replace(call, model=whole, bodies=whole)
    assert (await store.page(CallFilter(), 2)).calls == (expected,)


async def test_a_count_that_is_too_large_for_sqlite_is_kept_as_the_largest(
    store: SqliteCalls,
) -> None:
    [call] = made(1)
    largest = structs.replace(call, prompt_tokens=(1 << 63) - 1)
    await store.write([structs.replace(call, prompt_tokens=1 << 63)])
    assert (await store.page(CallFilter(), 2)).calls == (largest,)
    await check_totals(store, [largest])


async def test_a_place_that_is_none_of_ours_is_an_error(store: SqliteCalls) -> None:
    with pytest.raises(ValueError, match="is no place"):
        await store.page(CallFilter(), 10, "1; DROP TABLE calls")


async def test_totals_are_the_sums_of_the_calls(store: SqliteCalls) -> None:
    calls = made(400)
    for begin in range(0, len(calls), 37):
        await store.write(calls[begin : begin + 37])
    await check_totals(store, calls)


async def test_two_processes_write_one_log(store: SqliteCalls, path: Path) -> None:
    other = SqliteCalls(path, lambda: NOW_MS / 1000)
    calls = made(200)
    for begin in range(0, 100, 10):
        await asyncio.gather(
            store.write(calls[begin : begin + 10]), other.write(calls[100 + begin : 110 + begin])
        )
    assert len(await pages(store, CallFilter(), 500)) == 200
    await check_totals(other, calls)
    await other.close()


async def test_old_calls_and_their_sums_go(store: SqliteCalls) -> None:
    calls = made(300, within_ms=3 * DAY_MS)
    await store.write(calls)
    trimmed = await store.trim(CallLimits(1, 1 << 30))
    young = [call for call in calls if call.at_ms >= NOW_MS - DAY_MS]
    assert (trimmed.removed_calls, trimmed.kept_calls) == (300 - len(young), len(young))
    assert await pages(store, CallFilter(), 500) == expected(young, CallFilter())


@pytest.mark.whole
async def test_the_file_stays_within_its_bytes_and_loses_the_oldest_first(
    store: SqliteCalls, path: Path
) -> None:
    limits = CallLimits(30, 16 * MIB)
    body = "x" * 4_000
    written = 0
    for turn in range(40):
        calls = [
            structs.replace(call, at_ms=NOW_MS - 1_000_000 + 1_000 * turn + number, bodies=body)
            for number, call in enumerate(made(250, seed=turn))
        ]
        await store.write(calls)
        written += len(calls)
        trimmed = await store.trim(limits)
        assert size_on_disk(path) <= limits.max_bytes
        assert trimmed.kept_bytes <= limits.max_bytes
    assert 0 < trimmed.kept_calls < written
    page = await store.page(CallFilter(), 1)
    assert page.calls[0].at_ms == NOW_MS - 1_000_000 + 39_249
    shrunk = await store.trim(CallLimits(30, 5 * MIB))
    assert 0 < shrunk.kept_calls < trimmed.kept_calls
    assert size_on_disk(path) <= 5 * MIB  # the disk has its room back


@pytest.mark.whole
async def test_sums_alone_cannot_fill_the_file(store: SqliteCalls, path: Path) -> None:
    for turn in range(10):
        calls = [
            structs.replace(call, model=f"{turn} {number} " + "m" * 240)
            for number, call in enumerate(made(1_000, seed=turn))
        ]
        await store.write(calls)
    await store.trim(CallLimits(30, 4 * MIB))
    assert size_on_disk(path) <= 4 * MIB


async def test_a_full_disk_is_an_error_that_leaves_the_log_whole(
    store: SqliteCalls,
) -> None:
    calls = made(2_000)
    await store.write(calls[:100])
    with no_room_for_files(), pytest.raises(StorageError):
        await store.write([structs.replace(call, bodies="x" * 9_000) for call in calls[100:]])
    assert await pages(store, CallFilter(), 500) == expected(calls[:100], CallFilter())
    await store.write(calls[100:])
    assert len(await pages(store, CallFilter(), 500)) == 2_000
    await check_totals(store, calls)


async def test_reading_does_not_wait_for_a_writer(store: SqliteCalls, path: Path) -> None:
    await store.write(made(10))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    async with asyncio.timeout(2):
        assert len((await store.page(CallFilter(), 50)).calls) == 10
    other.close()
