"""Slots of several processes, each a `Leases` with its own connection."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from service.ports import Lease, StateStore
from service.program.background import background
from storage.state.store import open_state
from tests.gateway import until
from tests.redis_server import RedisServer, running_redis
from upstream.slots.leases import LEASE_SECONDS, Leases

Open = Callable[[], StateStore]
LIMIT = 2


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.needs_redis)])
async def opened(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    url = f"sqlite:{tmp_path}/state.db"
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        server.command("FLUSHALL")
        url = server.url
    async with AsyncExitStack() as stack:

        def open_another() -> StateStore:
            state = open_state(url, print)
            stack.push_async_callback(state.close)
            return state

        yield open_another


async def acquired(leases: Leases, account: str = "a") -> Lease | None:
    lease = leases.lease(account)
    return lease if await leases.acquire(lease, LIMIT, 0) else None


async def test_what_one_process_gives_back_another_gets(opened: Open) -> None:
    one, two = Leases(opened()), Leases(opened())
    first = await acquired(one)
    assert first
    assert await acquired(two)
    refused = two.lease("a")
    assert not await two.acquire(refused, LIMIT, 0)
    async with background(one.run):
        one.give_back(first)
        async with asyncio.timeout(20):
            await two.wait(refused, LIMIT, asyncio.get_running_loop().time())


async def test_who_waits_here_need_not_ask_again_to_hear_of_a_slot_freed_here(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upstream.slots.leases.FIRST_PAUSE_SECONDS", 60)
    monkeypatch.setattr("upstream.slots.leases.LONGEST_PAUSE_SECONDS", 60)
    leases = Leases(opened())
    held = [await acquired(leases), await acquired(leases)]
    waiting = asyncio.create_task(
        leases.wait(leases.lease("a"), LIMIT, asyncio.get_running_loop().time())
    )
    await asyncio.sleep(0.1)
    assert not waiting.done()
    async with background(leases.run):
        assert held[0]
        leases.give_back(held[0])
        async with asyncio.timeout(20):
            await waiting


@pytest.mark.whole
async def test_what_is_held_is_renewed_and_known_to_a_store_that_lost_it(opened: Open) -> None:
    state, other = opened(), opened()
    leases = Leases(state, renew_seconds=0.05)
    held = [await acquired(leases), await acquired(leases)]
    await state.release([lease for lease in held if lease])  # as a store that starts empty
    stranger = Lease(leases.lease("a").key, "stranger")
    async with background(leases.run):
        await asyncio.sleep(0.5)
        assert not await other.acquire(stranger, LIMIT, LEASE_SECONDS)


async def test_what_is_given_back_while_it_is_renewed_stays_free(opened: Open) -> None:
    leases, others = Leases(opened(), renew_seconds=0.001), Leases(opened())
    async with background(leases.run):
        for _ in range(20):
            held = leases.lease("a")
            await leases.wait(held, LIMIT, asyncio.get_running_loop().time())
            await asyncio.sleep(0.003)
            leases.give_back(held)
        # A lease that had been written again would be in the way until it lapses.
        async with asyncio.timeout(LEASE_SECONDS - 2):
            await others.wait(others.lease("a"), 1, asyncio.get_running_loop().time())


async def test_nothing_is_left_when_it_is_closed(opened: Open) -> None:
    leases, other = Leases(opened()), Leases(opened())
    held = await acquired(leases)
    assert held
    assert await acquired(leases)
    leases.give_back(held)
    await leases.close()
    assert await acquired(other)
    assert await acquired(other)


async def test_a_dead_store_grants_every_slot(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    state = open_state(f"sqlite:{tmp_path}/file/state.db", lambda _kind: None)
    leases = Leases(state, renew_seconds=0.01)
    async with background(leases.run):
        held = [await acquired(leases) for _ in range(LIMIT + 1)]
        assert all(held)
        await asyncio.sleep(0.05)
        for lease in held:
            assert lease
            leases.give_back(lease)
        await until(lambda: not leases._returned)
    await leases.close()
    await state.close()


async def test_the_store_learns_no_account(opened: Open) -> None:
    lease = Leases(opened()).lease("account-of-somebody")
    assert "somebody" not in lease.key + lease.holder
