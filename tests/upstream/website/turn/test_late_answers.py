"""An answer that is stored later, read from a real conversation on a manual clock."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from service.observing.metrics import Metrics
from service.settings.config import UpstreamConfig
from service.vocabulary.credentials import Caller
from service.vocabulary.events import (
    AnswerWanted,
    BodyEnd,
    BodyEnded,
    MessageSnapshot,
    StreamCompleted,
    UpstreamEvent,
)
from tests.clocks import ManualClock, wait_of
from tests.scripted_upstream import ScriptedUpstream, scripted_upstream
from upstream.http.backend import Backend
from upstream.http.routing import Routes
from upstream.http.session import make_session
from upstream.website.turn.conversations import Conversations
from upstream.website.turn.late_answers import MAX_REFUSALS, answer_events

CALLER = Caller("fk-token", None, "account")
HANDED, SAID = AnswerWanted("c1", is_over=False), AnswerWanted("c1", is_over=True)
WAITED = BodyEnded(BodyEnd.WAITED)


def message(message_id: str, text: str = "", role: str = "assistant", **fields: Any) -> Any:
    return {
        "id": message_id,
        "author": {"role": role},
        "content": {"content_type": "text", "parts": [text]},
        "status": "in_progress",
        "end_turn": None,
        "recipient": "all",
        "metadata": {},
        **fields,
    }


def done(text: str, message_id: str = "a1", **fields: Any) -> Any:
    whole = {"status": "finished_successfully", "end_turn": True, **fields}
    return message(message_id, text, **whole)


def stored(*messages: Any) -> dict[str, Any]:
    """Return a conversation with an earlier turn, the question, and these messages in a line."""
    line = [
        message("q0", "Before?", "user"),
        done("An answer of before.", "a0"),
        message("q1", "Hello", "user"),
        *messages,
    ]
    parents = [None, *(each["id"] for each in line)]
    nodes = [
        {"id": each["id"], "message": each, "parent": parent}
        for each, parent in zip(line, parents, strict=False)
    ]
    return {"mapping": {node["id"]: node for node in nodes}, "current_node": line[-1]["id"]}


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with scripted_upstream() as running:
        yield running


@pytest.fixture
async def conversations(upstream: ScriptedUpstream) -> AsyncIterator[Conversations]:
    config = UpstreamConfig(base_url=upstream.url, connect_seconds=1, retries=0)
    async with make_session(config) as session:
        backend = Backend(config, Routes(config.base_url), session)
        yield Conversations(backend, Metrics())


async def events_of(
    conversations: Conversations,
    clock: ManualClock | None = None,
    wanted: AnswerWanted = HANDED,
    **wait: Any,
) -> list[UpstreamEvent]:
    given = wait_of(clock or ManualClock(), **wait)
    found = answer_events(conversations, CALLER, wanted, given)
    return [event async for batch in found for event in batch]


def texts(events: list[UpstreamEvent]) -> list[str]:
    return [event.message.text for event in events if isinstance(event, MessageSnapshot)]


async def test_it_is_looked_for_until_it_is_there(upstream, conversations) -> None:
    clock = ManualClock()
    pending = stored(message("a1"))
    upstream.stored["c1"] = [pending, pending, stored(done("Blue."))]
    events = await events_of(conversations, clock)
    assert (texts(events), events[-1]) == (["", "Blue."], WAITED)
    assert (len(upstream.looks), len(clock.pauses)) == (3, 2)


async def test_it_is_given_out_as_it_grows(upstream, conversations) -> None:
    looks = [message("a1", "It"), message("a1", "It is"), done("It is blue.")]
    upstream.stored["c1"] = [stored(each) for each in looks]
    assert texts(await events_of(conversations)) == ["It", "It is", "It is blue."]


async def test_it_ends_when_nothing_changed_for_the_idle_time(upstream, conversations) -> None:
    clock = ManualClock()
    upstream.stored["c1"] = [stored(message("a1", "It"))] * 3 + [stored(message("a1", "It is"))]
    events = await events_of(conversations, clock, idle_seconds=20.0)
    assert (texts(events), events[-1]) == (["It", "It is"], WAITED)
    changed_at = sum(clock.pauses[:3])
    assert clock.now() == pytest.approx(changed_at + 20.0)


async def test_a_conversation_that_changes_is_read_until_the_turn_s_deadline(
    upstream, conversations
) -> None:
    clock = ManualClock()
    upstream.stored["c1"] = [stored(message("a1", "x" * size)) for size in range(50)]
    events = await events_of(conversations, clock, idle_seconds=20.0, deadline=61.0)
    assert events[-1] == WAITED
    assert clock.now() == pytest.approx(61.0)
    assert len(upstream.looks) == len(clock.pauses) + 1


@pytest.mark.parametrize("end_turn", [True, None])
async def test_a_last_message_that_is_finished_and_empty_ends_it_at_once(
    upstream, conversations, end_turn: bool | None
) -> None:
    upstream.stored["c1"] = stored(done("", end_turn=end_turn))
    for wanted in (HANDED, SAID):
        assert (await events_of(conversations, wanted=wanted))[-1] == WAITED
    assert len(upstream.looks) == 2


async def test_what_is_not_the_answer_yet_does_not_end_it(upstream, conversations) -> None:
    upstream.stored["c1"] = [
        stored(),
        stored(done("", "s1", author={"role": "system"})),
        stored(done("", "k1", content={"content_type": "model_editable_context"})),
        stored(done("Let me look.", "a1", end_turn=False)),
        stored(
            done("Let me look.", "a1", end_turn=False), done("Thinking.", "r1", channel="analysis")
        ),
        stored(done("", "a1", end_turn=False)),
        stored(done("Blue.", "a2")),
    ]
    assert texts(await events_of(conversations))[-1] == "Blue."
    assert len(upstream.looks) == 7


async def test_of_a_turn_that_is_over_any_finished_last_message_is_the_answer(
    upstream, conversations
) -> None:
    clock = ManualClock()
    upstream.stored["c1"] = stored(done("Blue.", end_turn=None))
    await events_of(conversations, clock, SAID)
    assert clock.pauses == []
    await events_of(conversations, clock, HANDED)
    assert clock.now() == pytest.approx(120.0)


async def test_an_answer_at_the_upstream_s_limit_is_one(upstream, conversations) -> None:
    limit = {"finish_details": {"type": "max_tokens"}}
    upstream.stored["c1"] = stored(done("It", end_turn=False, metadata=limit))
    events = await events_of(conversations)
    assert texts(events) == ["It"]
    assert events[-2:] == [StreamCompleted(), WAITED]


async def test_a_picture_that_is_being_drawn_is_waited_for_elsewhere(
    upstream, conversations
) -> None:
    task = done("Processing image", "t1", metadata={"image_gen_task_id": "task-1"})
    upstream.stored["c1"] = stored(task | {"author": {"role": "tool"}})
    assert len(await events_of(conversations)) == 2
    assert len(upstream.looks) == 1


async def test_a_conversation_that_may_not_be_read_is_given_up_soon(
    upstream, conversations
) -> None:
    clock = ManualClock()
    for status in (400, 401, 403, 404, 410):
        upstream.stored["c1"] = status
        assert await events_of(conversations, clock) == [WAITED]
    assert len(upstream.looks) == 5 * MAX_REFUSALS
    assert clock.now() == 5 * (MAX_REFUSALS - 1) * 0.5
    upstream.stored["c1"] = [404, stored(done("Blue."))]
    assert texts(await events_of(conversations)) == ["Blue."]


@pytest.mark.parametrize("failure", [429, 500, 503, b"{half of it", b"[]"])
async def test_failures_that_may_pass_are_borne(upstream, conversations, failure) -> None:
    upstream.stored["c1"] = [failure] * 5 + [stored(done("Blue."))]
    assert texts(await events_of(conversations)) == ["Blue."]
    clock = ManualClock()
    upstream.stored["c1"] = failure
    assert await events_of(conversations, clock) == [WAITED]
    assert clock.now() == pytest.approx(120.0)


async def test_a_shutdown_ends_the_wait(upstream, conversations) -> None:
    clock = ManualClock(stop_after=2)
    upstream.stored["c1"] = stored(message("a1", "It"))
    events = await events_of(conversations, clock)
    assert (texts(events), events[-1]) == (["It"], BodyEnded(BodyEnd.SHUTDOWN))
