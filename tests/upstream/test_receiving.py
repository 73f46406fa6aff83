"""From a body to deltas, by the long way and the short one."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from service.events import AnswerText, Delta, Outcome, SentHistory, TurnEnded
from service.pipeline import make_answer, make_reader
from tests.scripted_upstream import DONE, Pause, ScriptedUpstream, answer, final, scripted_upstream
from tests.upstream.test_client import opened
from upstream.receiving import Receiver


class Taking:
    """An outlet that takes what it is told to."""

    def __init__(self, *, is_open: bool = True) -> None:
        self.is_open = is_open
        self.taken: list[Delta] = []

    def take(self, batch: list[Delta]) -> bool:
        if self.is_open:
            self.taken += batch
        return self.is_open


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with scripted_upstream() as running:
        running.plays(
            answer("It"),
            Pause(0.1),
            answer("It is"),
            Pause(0.05),
            answer("It is tea"),
            Pause(0.05),
            final("It is tea."),
            DONE,
        )
        yield running


async def received(upstream: ScriptedUpstream, outlet: Any) -> list[Delta]:
    async with opened(upstream) as client:
        body = await client.open()
        receiver = Receiver(make_reader(), make_answer(SentHistory()), outlet)
        return [delta async for batch in receiver.deltas(body) for delta in batch]


def text_of(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, AnswerText))


@pytest.mark.parametrize("outlet", [None, Taking(is_open=False)])
async def test_all_is_yielded_where_nothing_is_taken(upstream, outlet) -> None:
    deltas = await received(upstream, outlet)
    assert text_of(deltas) == "It is tea."
    assert isinstance(deltas[-1], TurnEnded)


async def test_text_alone_is_taken_and_the_rest_yielded(upstream) -> None:
    outlet = Taking()
    deltas = await received(upstream, outlet)
    assert text_of(outlet.taken).startswith(" is tea")
    assert all(isinstance(delta, AnswerText) for delta in outlet.taken)
    assert text_of(deltas).startswith("It")
    assert text_of(deltas) + text_of(outlet.taken) in ("It. is tea", "It is tea.")
    assert isinstance(deltas[-1], TurnEnded)
    assert deltas[-1].outcome is Outcome.COMPLETE


async def test_a_bug_on_the_short_way_is_raised_where_the_answer_is_awaited(upstream) -> None:
    class Broken:
        def take(self, _batch: list[Delta]) -> bool:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(received(upstream, Broken()), 5)
