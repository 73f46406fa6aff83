"""Two processes, each with its own routes, that share a state store."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from service.ports import StateStore
from service.program.background import background
from storage.state.store import open_state
from tests.gateway import until
from upstream.http.cooling import SharedCooling, state_key
from upstream.http.routing import COOL_SECONDS, Routes

PREFIXES = ["secret-one", "secret-two"]


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Callable[[], StateStore]]:
    async with AsyncExitStack() as stack:

        def open_another() -> StateStore:
            state = open_state(f"sqlite:{tmp_path}/state.db", print)
            stack.push_async_callback(state.close)
            return state

        yield open_another


@pytest.fixture
async def two(opened: Callable[[], StateStore]) -> AsyncIterator[tuple[Routes, Routes]]:
    """Return the routes of two processes."""
    one, other = Routes("http://up", PREFIXES), Routes("http://up", PREFIXES)
    async with background(
        SharedCooling(one, opened(), 0.05).run, SharedCooling(other, opened(), 0.05).run
    ):
        yield one, other


def failing(routes: Routes) -> list[int]:
    return [state.index for state in routes.states() if state.state != "working"]


async def test_a_route_that_failed_in_one_process_cools_in_the_other(
    two: tuple[Routes, Routes],
) -> None:
    one, other = two
    one.cool(one.all[1])
    await until(lambda: failing(other) == [1], seconds=10)
    assert 0 < other.states()[1].cooling_seconds <= COOL_SECONDS
    assert {other.pick().index for _ in range(4)} == {0}


async def test_a_route_that_recovers_in_one_process_is_used_again_in_the_other(
    two: tuple[Routes, Routes],
) -> None:
    one, other = two
    one.cool(one.all[1])
    await until(lambda: failing(other) == [1], seconds=10)
    one.recover(one.all[1])
    await until(lambda: failing(other) == [], seconds=10)


async def test_what_a_process_saw_itself_stands_until_it_sees_otherwise(
    two: tuple[Routes, Routes],
) -> None:
    one, other = two
    other.cool(other.all[0])
    await until(lambda: failing(one) == [0], seconds=10)
    one.recover(one.all[0])  # one request got through there
    one.cool(one.all[1])
    await until(lambda: failing(other) == [0, 1], seconds=10)
    other.recover(other.all[0])
    assert failing(other) == [1]


@pytest.mark.whole
@pytest.mark.parametrize(
    ("value", "is_cooling"),
    [(b"what?", False), (b'"soon"', False), (b"1.5", False), (b"1e12", False)],
)
async def test_odd_words_in_the_store_do_no_harm(
    opened: Callable[[], StateStore], value: bytes, *, is_cooling: bool
) -> None:
    routes, state = Routes("http://up", PREFIXES), opened()
    await state.set(state_key(routes.all[0]), value)
    async with background(SharedCooling(routes, state, 0.02).run):
        await asyncio.sleep(0.3)
    assert failing(routes) == ([0] if is_cooling else [])
    assert routes.states()[0].cooling_seconds <= COOL_SECONDS


@pytest.mark.parametrize(
    ("ahead", "is_cooling"), [(COOL_SECONDS, True), (COOL_SECONDS + 86_400, False)]
)
async def test_no_cool_down_lasts_for_as_long_as_a_clock_was_set_back(
    opened: Callable[[], StateStore], ahead: float, *, is_cooling: bool
) -> None:
    routes, state = Routes("http://up", PREFIXES), opened()
    await state.set(state_key(routes.all[0]), f"{time.time() + ahead}".encode())
    async with background(SharedCooling(routes, state, 0.02).run):
        await asyncio.sleep(0.3)
    assert failing(routes) == ([0] if is_cooling else [])


async def test_one_route_alone_is_no_news(opened: Callable[[], StateStore]) -> None:
    routes, state = Routes("http://up", ["alone"]), opened()
    cooling = SharedCooling(routes, state, 0.02)
    routes.cool(routes.all[0])
    async with asyncio.timeout(20):
        await cooling.run()
    assert await state.get(state_key(routes.all[0])) is None


def test_no_prefix_is_told() -> None:
    assert all("secret" not in state_key(route) for route in Routes("http://up", PREFIXES).all)
