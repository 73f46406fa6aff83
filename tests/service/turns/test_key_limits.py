"""The limits of gateway keys, in one process and over processes that share a store."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from msgspec import structs

from service.turns import key_limits
from service.turns.key_limits import KeyLimits
from service.vocabulary.errors import KeyLimitError
from service.vocabulary.gateway_keys import GatewayKey, new_key
from storage.state.store import open_state
from tests.redis_server import running_redis
from upstream.slots.leases import Leases


def key(**limits: int) -> GatewayKey:
    """A key that no other test uses."""
    return GatewayKey(new_key()[6:14], "bot", "0" * 64, "", 0, **limits)


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    with running_redis() as server:
        yield server.url


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.needs_redis)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:{tmp_path}/state.db"
    return str(request.getfixturevalue("redis"))


@asynccontextmanager
async def shared_limits(url: str) -> AsyncIterator[KeyLimits]:
    """The limits as one of several processes applies them."""
    state = open_state(url, lambda _: None)
    leases = Leases(state)
    task = asyncio.ensure_future(leases.run())
    try:
        yield KeyLimits(state, leases)
    finally:
        task.cancel()
        await asyncio.wait([task])
        await leases.close()
        await state.close()


async def ask(limits: KeyLimits, of: GatewayKey, number: int = 1) -> list[float | None]:
    """Ask several times in a row; return the time to wait for each, None where admitted."""
    told: list[float | None] = []
    for _ in range(number):
        try:
            async with limits.admitted(of):
                told.append(None)
        except KeyLimitError as error:
            told.append(error.retry_after_seconds)
    return told


async def test_without_limits_all_are_let_in() -> None:
    assert await ask(KeyLimits(), key(), 100) == [None] * 100


async def test_a_minute_has_so_many_requests_and_the_wait_is_told() -> None:
    *let_in, refused = await ask(KeyLimits(), key(requests_per_minute=3), 4)
    assert let_in == [None] * 3
    assert refused is not None
    assert 59 < refused <= 60


async def test_a_refused_request_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_limits, "MINUTE_SECONDS", 0.2)
    limits, of = KeyLimits(), key(requests_per_minute=2)
    assert (await ask(limits, of, 2)) == [None, None]
    assert None not in await ask(limits, of, 5)
    await asyncio.sleep(0.2)
    assert (await ask(limits, of, 2)) == [None, None]


async def test_a_limit_that_is_lowered_holds_for_what_was_asked_before() -> None:
    limits, of = KeyLimits(), key(requests_per_minute=5)
    await ask(limits, of, 5)
    assert None not in await ask(limits, structs.replace(of, requests_per_minute=2), 1)


def test_a_limit_is_a_429() -> None:
    assert (KeyLimitError.status, KeyLimitError.type) == (429, "rate_limit_error")


async def test_keys_have_limits_of_their_own() -> None:
    limits = KeyLimits()
    assert await ask(limits, key(requests_per_minute=1)) == [None]
    other = key(requests_per_minute=1)
    assert await ask(limits, other) == [None]
    assert None not in await ask(limits, other)


@pytest.mark.whole
async def test_so_many_are_let_in_at_once() -> None:
    limits, of = KeyLimits(), key(concurrent_requests=2)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(limits.admitted(of))
        assert await ask(limits, of) == [1.0]
    assert await ask(limits, of, 5) == [None] * 5


async def test_who_asks_as_the_one_before_ends_is_let_in() -> None:
    limits, of = KeyLimits(), key(concurrent_requests=1)

    async def hold(seconds: float) -> None:
        async with limits.admitted(of):
            await asyncio.sleep(seconds)

    holding = asyncio.ensure_future(hold(0.05))
    await asyncio.sleep(0)
    assert await ask(limits, of) == [None]
    await holding


async def test_an_error_gives_the_place_back() -> None:
    limits, of = KeyLimits(), key(concurrent_requests=1)
    with pytest.raises(ZeroDivisionError):
        async with limits.admitted(of):
            raise ZeroDivisionError
    assert await ask(limits, of) == [None]


async def test_a_minute_holds_over_all_processes(url: str) -> None:
    of = key(requests_per_minute=3)
    async with shared_limits(url) as one, shared_limits(url) as two:
        assert await ask(one, of, 2) == [None, None]
        assert await ask(two, of, 1) == [None]
        for limits in (one, two):
            [wait] = await ask(limits, of)
            assert wait is not None
            assert 1 <= wait <= 60


@pytest.mark.whole
async def test_who_was_refused_stands_in_nobodys_way(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_limits, "MINUTE_SECONDS", 0.5)
    of = key(requests_per_minute=1)
    async with shared_limits(url) as one, shared_limits(url) as two:
        assert await ask(one, of) == [None]
        assert None not in await ask(two, of)
        await asyncio.sleep(0.6)
        assert await ask(one, of) == [None]


@pytest.mark.whole
async def test_at_once_holds_over_all_processes(url: str) -> None:
    of = key(concurrent_requests=1)
    async with shared_limits(url) as one, shared_limits(url) as two:
        async with one.admitted(of):
            assert await ask(two, of) == [1.0]
        assert await ask(two, of, 3) == [None] * 3
        assert await ask(one, of) == [None]


async def test_with_a_dead_store_each_process_counts(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    dead, of = f"sqlite:{tmp_path}/file/state.db", key(requests_per_minute=2)
    async with shared_limits(dead) as one, shared_limits(dead) as two:
        for limits in (one, two):
            *let_in, refused = await ask(limits, of, 3)
            assert let_in == [None, None]
            assert refused is not None


# --- responses in the background ---------------------------------------------------------


async def test_an_owner_has_so_many_in_the_background_over_all_processes(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_limits, "MAX_BACKGROUND", 2)
    monkeypatch.setattr(key_limits, "GRACE_SECONDS", 0.05)
    owner = new_key()
    async with shared_limits(url) as here, shared_limits(url) as there, AsyncExitStack() as stack:
        await stack.enter_async_context(here.background(owner))
        one = await AsyncExitStack().__aenter__()
        await one.enter_async_context(there.background(owner))
        for process in (here, there):
            with pytest.raises(KeyLimitError) as caught:
                await stack.enter_async_context(process.background(owner))
            assert caught.value.retry_after_seconds
            await stack.enter_async_context(process.background(new_key()))  # somebody else
        await one.aclose()
        await asyncio.sleep(0.1)  # until the store knows
        await stack.enter_async_context(here.background(owner))


async def test_a_key_has_no_more_in_the_background_than_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(key_limits, "GRACE_SECONDS", 0.01)
    limits, one = KeyLimits(), key(concurrent_requests=1)
    async with limits.admitted(one), limits.background("owner", one):
        with pytest.raises(KeyLimitError) as caught:
            await limits.background("owner", one).__aenter__()
    assert "up to 1 response" in str(caught.value)
    async with limits.background("owner", one):
        pass
