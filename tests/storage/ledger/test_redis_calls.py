"""The log of calls in Redis."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from msgspec import structs

from service.vocabulary.errors import StorageError
from service.vocabulary.ledger.calls import CallFilter, CallLimits
from storage.ledger import redis_calls
from storage.ledger.redis_calls import RedisCalls
from tests.redis_server import RedisServer, running_redis
from tests.storage.ledger.calls import (
    DAY_MS,
    FILTERS,
    NOW_MS,
    check_totals,
    expected,
    made,
    pages,
)

pytestmark = pytest.mark.needs_redis


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with running_redis() as running:
        yield running


@pytest.fixture
async def store(server: RedisServer) -> AsyncIterator[RedisCalls]:
    server.command("FLUSHALL")
    store = RedisCalls(server.url, lambda: NOW_MS / 1000)
    yield store
    await store.close()


@pytest.mark.parametrize(("looked_at", "chunk"), [(20_000, 500), (14, 7)])
async def test_pages_have_every_call_once_and_in_order(
    store: RedisCalls, monkeypatch: pytest.MonkeyPatch, looked_at: int, chunk: int
) -> None:
    monkeypatch.setattr(redis_calls, "MAX_LOOKED_AT", looked_at)
    monkeypatch.setattr(redis_calls, "_CHUNK", chunk)
    calls = made(300, within_ms=DAY_MS)
    calls += [structs.replace(call, at_ms=NOW_MS - 5) for call in made(30, seed=1)]  # of one time
    for begin in range(0, len(calls), 50):
        await store.write(calls[begin : begin + 50])
    for wanted in FILTERS:
        for limit in (1, 7, 500):
            assert await pages(store, wanted, limit) == expected(calls, wanted), (wanted, limit)


async def test_totals_are_the_sums_of_the_calls(store: RedisCalls) -> None:
    calls = made(400)
    for begin in range(0, len(calls), 37):
        await store.write(calls[begin : begin + 37])
    await check_totals(store, calls)


async def test_gateways_write_one_log(store: RedisCalls, server: RedisServer) -> None:
    other = RedisCalls(server.url)
    calls = made(400)
    await asyncio.gather(
        *(
            (store, other)[begin % 2].write(calls[begin * 10 : begin * 10 + 10])
            for begin in range(40)
        )
    )
    assert len(await pages(store, CallFilter(), 500)) == 400
    await check_totals(other, calls)
    await other.close()


async def test_old_calls_and_their_sums_go(store: RedisCalls, server: RedisServer) -> None:
    calls = made(300, within_ms=3 * DAY_MS)
    await store.write(calls)
    trimmed = await store.trim(CallLimits(1, 1 << 30))
    young = [call for call in calls if call.at_ms >= NOW_MS - DAY_MS]
    assert (trimmed.removed_calls, trimmed.kept_calls) == (300 - len(young), len(young))
    assert await pages(store, CallFilter(), 500) == expected(young, CallFilter())
    trimmed = await store.trim(CallLimits(1, 1))
    assert (trimmed.kept_calls, trimmed.kept_bytes) == (0, 0)
    keys = int(server.command("DBSIZE").lstrip(b":"))
    assert keys <= 4 + 24  # the sums of a day, and what names them


async def test_the_log_stays_within_its_bytes_and_loses_the_oldest_first(
    store: RedisCalls, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_calls, "_MAX_REMOVED", 50)
    limits = CallLimits(30, 300_000)
    for turn in range(5):
        await store.write(
            [
                structs.replace(call, at_ms=NOW_MS - 100_000 + 1_000 * turn + number)
                for number, call in enumerate(made(500, seed=turn))
            ]
        )
        trimmed = await store.trim(limits)
        used = int(server.command("MEMORY USAGE backend-to-v1:calls SAMPLES 0").lstrip(b":"))
        assert trimmed.kept_bytes <= limits.max_bytes
        assert used <= limits.max_bytes * 1.1
    assert 0 < trimmed.kept_calls < 2_500
    [newest] = (await store.page(CallFilter(), 1)).calls
    assert newest.at_ms == NOW_MS - 100_000 + 4_499


async def test_a_server_that_is_gone_is_an_error(store: RedisCalls, server: RedisServer) -> None:
    await store.write(made(1))
    server.stop()
    for call in (
        store.write(made(1)),
        store.page(CallFilter(), 1),
        store.trim(CallLimits(1, 1)),
    ):
        with pytest.raises(StorageError):
            await call
    server.start()
    await store.write(made(2))
    assert len((await store.page(CallFilter(), 5)).calls) == 2
