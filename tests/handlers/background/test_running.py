import asyncio
from collections.abc import AsyncGenerator

import pytest

from handlers.background.running import Running, RunningResponses
from service.stages.encode.responses import CANCELLED, ResponseEvents
from service.vocabulary.events import Outcome, TurnEnded
from service.vocabulary.rendered import ContentText, Rendered
from tests.response_events import begun

END = TurnEnded(Outcome.COMPLETE, "stop")


def running() -> Running:
    return Running(ResponseEvents(begun()), is_kept=True)


async def batches(
    closed: asyncio.Event, stall: bool = False
) -> AsyncGenerator[list[Rendered], None]:
    try:
        yield [ContentText("a")]
        if stall:
            await asyncio.sleep(3600)
        yield [END]
    finally:
        closed.set()


async def test_an_answer_that_nobody_cancels_passes_as_it_is() -> None:
    closed = asyncio.Event()
    got = [batch async for batch in running().watch(batches(closed))]
    assert got == [[ContentText("a")], [END]]
    assert closed.is_set()


async def test_a_cancelled_answer_ends_while_it_waits_and_closes_its_source() -> None:
    closed, begun, one = asyncio.Event(), asyncio.Event(), running()
    got = []

    async def read() -> None:
        async for batch in one.watch(batches(closed, stall=True)):
            got.append(batch)
            begun.set()
        one.ended.set()

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(read())
        await begun.wait()
        await asyncio.sleep(0)
        await one.cancel()
    assert got == [[ContentText("a")], [CANCELLED]]
    assert closed.is_set()


async def test_a_cancelled_answer_ends_before_its_next_read() -> None:
    closed, one = asyncio.Event(), running()
    source = one.watch(batches(closed))
    assert await anext(source) == [ContentText("a")]
    one.ended.set()
    await one.cancel()
    assert [batch async for batch in source] == [[CANCELLED]]
    assert closed.is_set()


async def test_a_timeout_of_the_answer_itself_is_not_taken_for_a_cancel() -> None:
    async def broken() -> AsyncGenerator[list[Rendered], None]:
        raise TimeoutError
        yield []

    with pytest.raises(TimeoutError):
        await anext(running().watch(broken()))


async def test_a_cancel_does_not_wait_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handlers.background.running.CANCEL_SECONDS", 0.01)
    one = running()
    await one.cancel()
    assert not one.ended.is_set()


def test_a_response_is_found_by_its_owner_while_it_is_written() -> None:
    registry, one = RunningResponses(), running()
    with registry.entered("me", "resp_1", one):
        assert registry.find("me", "resp_1") is one
        assert registry.find("you", "resp_1") is None
    assert registry.find("me", "resp_1") is None
    assert one.ended.is_set()


def test_what_is_being_written_can_be_looked_at() -> None:
    assert running().response().status == "in_progress"
