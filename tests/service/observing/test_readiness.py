"""Checks of the parts of the service."""

import asyncio

import pytest

from service.observing import readiness
from service.observing.readiness import Check


class Part:
    """Answers at once, unless it was told to hang."""

    def __init__(self) -> None:
        self.problem: str | None = None
        self.asked = 0
        self.go = asyncio.Event()
        self.go.set()

    async def ask(self) -> str | None:
        self.asked += 1
        await self.go.wait()
        return self.problem


async def test_an_answer_is_kept_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    part = Part()
    check = Check(part.ask, "silent")
    found = [(await check.find()).problem, (await check.find()).problem]
    assert (found, part.asked) == ([None, None], 1)
    monkeypatch.setattr(readiness, "FRESH_SECONDS", -1.0)
    part.problem = "down"
    assert ((await check.find()).problem, part.asked) == ("down", 2)
    await check.close()


async def test_a_part_that_hangs_is_asked_once_and_heard_when_it_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readiness, "CHECK_SECONDS", 0.01)
    part = Part()
    part.go.clear()
    check = Check(part.ask, "silent")
    assert [(await check.find()).problem for _ in range(3)] == ["silent"] * 3
    part.go.set()
    await asyncio.sleep(0.05)
    assert ((await check.find()).problem, part.asked) == (None, 1)
    await check.close()


async def test_who_asks_and_leaves_does_not_take_the_answer_from_others() -> None:
    part = Part()
    part.go.clear()
    check = Check(part.ask, "silent")
    first, second = asyncio.create_task(check.find()), asyncio.create_task(check.find())
    await asyncio.sleep(0)
    first.cancel()
    part.go.set()
    assert ((await second).problem, part.asked) == (None, 1)
    await check.close()


async def test_a_question_is_not_left_open_at_the_end() -> None:
    part = Part()
    part.go.clear()
    check = Check(part.ask, "silent")
    asking = asyncio.create_task(check.find())
    await asyncio.sleep(0.01)
    await check.close()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await Check(part.ask, "never asked").close()
