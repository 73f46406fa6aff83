import asyncio

import pytest

from handlers.background.running import Running, RunningResponses
from service.sink import put
from service.stages.encode.responses import CANCELLED, ResponseEvents
from service.vocabulary.events import Failure, Outcome, TurnEnded
from service.vocabulary.rendered import ContentText, TokenCounts
from tests.response_events import begun
from tests.sinks import Kept

END = TurnEnded(Outcome.COMPLETE, "stop")


def running() -> Running:
    return Running(ResponseEvents(begun()), is_kept=True)


async def answering(sink: Kept, closed: asyncio.Event, *, stalls: bool = False) -> None:
    try:
        await put(sink, [ContentText("a")])
        if stalls:
            await asyncio.sleep(3600)
        await put(sink, [END])
    finally:
        closed.set()


async def test_an_answer_that_nobody_cancels_passes_as_it_is() -> None:
    closed, sink = asyncio.Event(), Kept()
    await running().run(answering(sink, closed), sink)
    assert sink.batches == [[ContentText("a")], [END]]
    assert closed.is_set()


async def test_a_cancelled_answer_ends_while_it_waits_and_closes_its_source() -> None:
    closed, one, sink = asyncio.Event(), running(), Kept()

    async def write() -> None:
        await one.run(answering(sink, closed, stalls=True), sink)
        one.ended.set()

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(write())
        await asyncio.sleep(0.01)
        await one.cancel()
    assert sink.batches == [[ContentText("a")], [CANCELLED]]
    assert closed.is_set()


async def test_an_answer_that_was_cancelled_before_it_began_has_that_end() -> None:
    closed, one, sink = asyncio.Event(), running(), Kept()
    one.ended.set()
    await one.cancel()
    await one.run(answering(sink, closed, stalls=True), sink)
    assert sink.batches[-1] == [CANCELLED]


async def test_an_answer_that_has_ended_is_not_cancelled_any_more() -> None:
    class Over(Kept):
        def is_over(self) -> bool:
            return bool(self.batches)

    closed, one, sink = asyncio.Event(), running(), Over()
    one.ended.set()
    await one.cancel()
    await one.run(answering(sink, closed, stalls=True), sink)
    assert sink.batches == [[ContentText("a")]]


async def test_a_timeout_of_the_answer_itself_is_not_taken_for_a_cancel() -> None:
    async def broken() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await running().run(broken(), Kept())


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


@pytest.mark.parametrize(
    ("end", "status"),
    [(END, "completed"), (TurnEnded(Outcome.COMPLETE, "length"), "incomplete")],
)
def test_a_response_is_told_to_have_ended_once_its_tokens_are_counted(
    end: TurnEnded, status: str
) -> None:
    events = ResponseEvents(begun())
    one = Running(events, is_kept=True)
    events.take_batch([ContentText("a"), end])
    now = one.response()
    assert (now.status, now.usage, now.incomplete_details) == ("in_progress", None, None)
    one.counts = TokenCounts(8, 3, 0)
    now = one.response()
    assert (now.status, now.usage and now.usage.total_tokens) == (status, 11)
    assert (now.incomplete_details is None) == (status == "completed")


def test_a_response_that_failed_has_ended_at_once() -> None:
    events = ResponseEvents(begun())
    events.fail(Failure(502, "gone", "server_error", None))
    assert Running(events, is_kept=True).response().status == "failed"
