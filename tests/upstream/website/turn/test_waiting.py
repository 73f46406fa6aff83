"""Pauses between polls, and the clocks that they use."""

import asyncio

import pytest

from tests.clocks import ManualClock, wait_of
from upstream.website.turn.waiting import (
    FIRST_PAUSE_SECONDS,
    LAST_PAUSE_SECONDS,
    LoopClock,
    Pauses,
)


async def test_pauses_grow_up_to_a_length_and_the_last_one_ends_in_time() -> None:
    clock = ManualClock()
    pauses = Pauses(wait_of(clock))
    while await pauses.until(30.0):
        pass
    assert clock.pauses[0] == FIRST_PAUSE_SECONDS
    assert clock.pauses == sorted(clock.pauses[:-1]) + clock.pauses[-1:]
    assert max(clock.pauses) == LAST_PAUSE_SECONDS
    assert clock.now() == pytest.approx(30.0)


async def test_a_pause_may_be_shorter() -> None:
    clock = ManualClock()
    assert await Pauses(wait_of(clock)).until(30.0, 0.5)
    assert clock.pauses == [0.5]


async def test_the_clock_of_the_loop_lets_time_pass_until_something_happens() -> None:
    clock, happened = LoopClock(), asyncio.Event()
    began = clock.now()
    await clock.pause(0.01, happened)
    assert clock.now() > began
    happened.set()
    await clock.pause(3600, happened)
