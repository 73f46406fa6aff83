"""Turns of the assembled program without its HTTP edge, whose contract has its own tests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from msgspec import structs

from service import keys
from service.program.assembly import make_app
from service.settings.config import Config
from service.vocabulary.credentials import Credential
from service.vocabulary.errors import (
    NotFoundError,
    QueueFullError,
    ShutdownError,
    UpstreamRefusedError,
)
from service.vocabulary.events import AnswerText, Delta, Outcome, TurnEnded
from service.vocabulary.requests import ChatMessage, ChatRequest, Profile, TextPart, Wishes
from tests.rows import each_row
from tests.scripted_upstream import (
    DONE,
    STALL,
    Head,
    Pause,
    ScriptedUpstream,
    Turn,
    answer,
    event,
    final,
    scripted_upstream,
)
from tests.sinks import pulled
from upstream.website.turn.turns import MAX_HAND_OFFS, is_other_model

CREDENTIAL = Credential("a-refresh-token")
PASSED = Credential("fk-passed-through")


def asked(text: str = "Hello", model: str = "gpt-4o", **fields: Any) -> ChatRequest:
    return ChatRequest(
        request_id="r",
        model=model,
        messages=(ChatMessage("user", (TextPart(text),)),),
        is_stream=True,
        is_usage_wanted=False,
        profile=Profile.WEB,
        public_url="http://gw",
        received_at=0.0,
        **fields,
    )


@asynccontextmanager
async def program(
    upstream: ScriptedUpstream, tmp_path: Path, /, **settings: Any
) -> AsyncIterator[web.Application]:
    base: dict[str, Any] = {
        "upstream": {"base_url": upstream.url},
        "tokens": {"secret": "s", "oaifree_url": f"{upstream.url}/api/auth/refresh"},
        "storage": {"state": f"sqlite:{tmp_path}/state.db", "blobs": f"file:{tmp_path}"},
    }
    for name, section in settings.items():
        base[name] = {**base.get(name, {}), **section}
    runner = web.AppRunner(make_app(Config.model_validate(base)))
    await runner.setup()
    try:
        yield runner.app
    finally:
        await runner.cleanup()


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with scripted_upstream() as running:
        yield running


def newly_asked() -> ChatRequest:
    return structs.replace(asked(), received_at=asyncio.get_running_loop().time())


async def deltas(
    app: web.Application, request: ChatRequest | None = None, credential: Credential = PASSED
) -> list[Delta]:
    async with aclosing(pulled(app[keys.TURNS], request or asked(), credential)) as batches:
        return [delta async for batch in batches for delta in batch]


def text(given: list[Delta]) -> str:
    return "".join(delta.text for delta in given if isinstance(delta, AnswerText))


def outcome(given: list[Delta]) -> Outcome:
    last = given[-1]
    assert isinstance(last, TurnEnded)
    return last.outcome


def sample(app: web.Application, name: str, **labels: str) -> float:
    return app[keys.METRICS].registry.get_sample_value(name, labels) or 0.0


async def test_a_turn_is_sent_read_and_counted_out(upstream, tmp_path) -> None:
    upstream.plays(answer("Hel"), final("Hello"), DONE)
    async with program(upstream, tmp_path) as app:
        given = await deltas(app, credential=CREDENTIAL)
        assert (text(given), outcome(given)) == ("Hello", Outcome.COMPLETE)
        assert sample(app, "gateway_open_streams") == 0
    assert upstream.refreshes == ["a-refresh-token"]
    assert upstream.turns[0].headers["Authorization"] == f"Bearer {upstream.access_token}"
    assert upstream.stopped == []


async def test_the_echo_of_what_was_sent_is_known_by_its_id(upstream, tmp_path) -> None:
    def echo(turn: Turn) -> bytes:
        return final("an echo", turn.body["messages"][0]["id"])

    upstream.plays(echo, final("an answer"), DONE)
    async with program(upstream, tmp_path) as app:
        assert text(await deltas(app)) == "an answer"


async def test_a_refused_token_is_renewed_once_and_the_turn_sent_again(upstream, tmp_path) -> None:
    upstream.plays(final("Hi"), DONE)
    async with program(upstream, tmp_path) as app:
        await deltas(app, credential=CREDENTIAL)
        upstream.refused_tokens.add(upstream.access_token)
        upstream.access_token = "fk-a-newer-one"
        assert text(await deltas(app, credential=CREDENTIAL)) == "Hi"
        assert len(upstream.refreshes) == 2
        upstream.refused_tokens.add(upstream.access_token)
        with pytest.raises(UpstreamRefusedError, match="The upstream said: old") as refused:
            await deltas(app, credential=Credential(upstream.access_token))
        assert (refused.value.status, len(upstream.refreshes)) == (401, 2)


async def test_a_turn_that_is_left_stops_its_conversation_and_closes_its_connection(
    upstream, tmp_path
) -> None:
    upstream.plays(answer("Hel"), STALL)
    async with program(upstream, tmp_path, conversation={"delete_after_response": True}) as app:
        async with aclosing(pulled(app[keys.TURNS], asked(), PASSED)) as batches:
            await anext(batches)
        await asyncio.wait_for(upstream.turns[0].closed.wait(), 20)
    assert (upstream.stopped, upstream.hidden) == (["c1"], ["c1"])


@pytest.mark.parametrize("is_temporary", [False, True])
async def test_a_finished_conversation_is_hidden_as_configured(
    upstream, tmp_path, is_temporary
) -> None:
    upstream.plays(final("Hi"), DONE)
    wanted = {"delete_after_response": True, "temporary": is_temporary}
    async with program(upstream, tmp_path, conversation=wanted) as app:
        await deltas(app)
    assert upstream.hidden == ([] if is_temporary else ["c1"])
    assert upstream.stopped == []


async def test_an_unknown_model_is_refused_before_anything_is_sent(upstream, tmp_path) -> None:
    async with program(upstream, tmp_path) as app:
        with pytest.raises(NotFoundError) as caught:
            await deltas(app, asked(model="gpt-4p"))
    assert caught.value.code == "model_not_found"
    assert upstream.turns == []


@pytest.mark.whole
async def test_turns_of_one_account_queue(upstream, tmp_path) -> None:
    upstream.plays(answer("Hi"), Pause(0.3), final("Hi"), DONE)
    limits = {"streams_per_account": 1, "queue_per_account": 1}
    async with program(upstream, tmp_path, upstream=limits) as app:
        first = asyncio.create_task(deltas(app))
        await asyncio.sleep(0.1)
        second = asyncio.create_task(deltas(app))
        await asyncio.sleep(0.05)
        assert len(upstream.turns) == 1
        with pytest.raises(QueueFullError):
            await deltas(app)
        assert [text(await task) for task in (first, second)] == ["Hi", "Hi"]


HAND_OFF = (
    event({"type": "resume_conversation_token", "token": "conduit", "conversation_id": "c1"})
    + event({"type": "stream_handoff", "options": []})
    + DONE
)


async def test_a_hand_off_is_followed_with_its_place_and_token(upstream, tmp_path) -> None:
    upstream.plays(answer("Hel"), HAND_OFF)
    upstream.resume_script = (Head(), [final("Hello"), DONE])
    async with program(upstream, tmp_path) as app:
        given = await deltas(app)
    assert (text(given), outcome(given)) == ("Hello", Outcome.COMPLETE)
    assert upstream.resumed[0].body == {"conversation_id": "c1", "offset": 3}
    assert upstream.resumed[0].headers["X-Conduit-Token"] == "conduit"


async def test_a_replay_of_the_whole_turn_is_not_given_out_twice(upstream, tmp_path) -> None:
    upstream.plays(answer("Hel"), HAND_OFF)
    upstream.resume_script = (Head(), [answer(""), answer("Hel"), final("Hello"), DONE])
    async with program(upstream, tmp_path) as app:
        assert text(await deltas(app)) == "Hello"


def stored(message_id: str, role: str, text: str, parent: str | None) -> dict[str, Any]:
    message = {
        "id": message_id,
        "author": {"role": role},
        "content": {"content_type": "text", "parts": [text]},
        "status": "finished_successfully",
        "end_turn": True,
    }
    return {"id": message_id, "parent": parent, "message": message}


async def test_what_cannot_be_resumed_is_read_from_the_stored_conversation(
    upstream, tmp_path
) -> None:
    def store(turn: Turn) -> bytes:
        sent = turn.body["messages"][0]["id"]
        nodes = [
            stored("u0", "user", "Before?", None),
            stored("a0", "assistant", "An answer of before.", "u0"),
            stored(sent, "user", "Hello", "a0"),
            stored("a1", "assistant", "Stored.", sent),
        ]
        upstream.stored["c1"] = {
            "mapping": {node["id"]: node for node in nodes},
            "current_node": "a1",
        }
        return HAND_OFF

    upstream.plays(store)
    async with program(upstream, tmp_path) as app:
        given = await deltas(app)
    assert (text(given), outcome(given)) == ("Stored.", Outcome.COMPLETE)


@pytest.mark.whole  # it waits
async def test_a_hand_off_that_leads_nowhere_is_a_cut_with_what_had_arrived(
    upstream, tmp_path
) -> None:
    upstream.plays(answer("Hel"), HAND_OFF)
    async with program(upstream, tmp_path) as app:
        given = await deltas(app)
    assert (text(given), outcome(given)) == ("Hel", Outcome.CUT)


@pytest.mark.whole  # it waits
async def test_hand_offs_in_a_circle_end(upstream, tmp_path) -> None:
    upstream.plays(HAND_OFF)
    upstream.resume_script = (Head(), [HAND_OFF])
    async with program(upstream, tmp_path) as app:
        assert outcome(await deltas(app)) is Outcome.CUT
    assert len(upstream.resumed) == MAX_HAND_OFFS


async def test_draining_lets_turns_finish_and_refuses_new_ones(upstream, tmp_path) -> None:
    upstream.plays(answer("Hi"), Pause(0.2), final("Hi"), DONE)
    async with program(upstream, tmp_path) as app:
        running = asyncio.create_task(deltas(app))
        await asyncio.sleep(0.1)
        draining = asyncio.create_task(app[keys.TURNS].drain(60))
        await asyncio.sleep(0.01)  # it reaches the turns of each upstream
        with pytest.raises(ShutdownError):
            await deltas(app, newly_asked())
        assert outcome(await running) is Outcome.COMPLETE
        await asyncio.wait_for(draining, 20)


async def test_draining_ends_what_is_left_with_what_had_arrived(upstream, tmp_path) -> None:
    upstream.plays(answer("Hel"), STALL)
    async with program(upstream, tmp_path) as app:
        running = asyncio.create_task(deltas(app))
        await asyncio.sleep(0.1)
        await app[keys.TURNS].drain(0.1)
        given = await running
    assert (text(given), outcome(given)) == ("Hel", Outcome.SHUTDOWN)


async def test_anomalies_are_counted_by_kind_and_each_kind_is_logged_once(
    upstream, tmp_path, caplog
) -> None:
    new = event({"type": "brand_new", "title": "My will"})
    upstream.plays(new, new, final("Hi"), DONE)
    async with program(upstream, tmp_path) as app:
        await deltas(app)
        await deltas(app)
        assert sample(app, "gateway_stream_anomalies_total", kind="type brand_new") == 4
        assert [(each.kind, each.count) for each in app[keys.UNKNOWN_EVENTS].seen()] == [
            ("type brand_new", 4)
        ]
    assert caplog.text.count("something unexpected: type brand_new") == 1
    assert '{"type": "", "title": ""}' in caplog.text
    assert "My will" not in caplog.text


@each_row(
    ("asked_for", "answered", "is_other"),
    [
        ("gpt-4o", "gpt-4o", False),
        ("gpt-4o", "gpt-4o-2024-08-06", False),
        ("o1", "o1-preview", False),
        ("gpt-4o", "gpt-4o-mini", True),
        ("gpt-4", "gpt-4o", True),
        ("auto", "gpt-5", False),
        ("gpt-4-gizmo", "gpt-4o", False),
    ],
)
def test_another_family_is_told_from_a_variant(asked_for, answered, is_other) -> None:
    assert is_other_model(asked_for, answered) is is_other


async def test_an_answer_of_another_model_is_logged(upstream, tmp_path, caplog) -> None:
    upstream.plays(final("Hi", metadata={"model_slug": "gpt-4o-mini"}), DONE)
    async with program(upstream, tmp_path) as app:
        await deltas(app)
    assert "asked for gpt-4o, answered by gpt-4o-mini" in caplog.text


async def test_a_hostile_name_of_a_model_makes_one_short_line(upstream, tmp_path, caplog) -> None:
    upstream.plays(final("Hi", metadata={"model_slug": "o3\r\nX-Evil: " + "x" * 9999}), DONE)
    async with program(upstream, tmp_path) as app:
        await deltas(app)
    (line,) = [one.getMessage() for one in caplog.records if "answered by" in one.getMessage()]
    assert len(line) < 300
    assert "\n" not in line


async def test_an_account_that_may_not_say_how_much_to_think_is_asked_without(
    upstream, tmp_path
) -> None:
    """Spec 6.6: once without after a 422, and without at once from then on."""
    upstream.plays({"detail": "Invalid conversation body"}, head=Head(422))
    upstream.plays(final("Hi"), DONE)
    request = asked(wishes=Wishes(effort="high"))
    async with program(upstream, tmp_path) as app:
        assert text(await deltas(app, request)) == "Hi"
        assert text(await deltas(app, request)) == "Hi"
    efforts = [turn.body.get("thinking_effort") for turn in upstream.turns]
    assert efforts == ["extended", None, None]


async def test_another_422_is_the_callers(upstream, tmp_path) -> None:
    upstream.plays({"detail": "Invalid conversation body"}, head=Head(422))
    async with program(upstream, tmp_path) as app:
        with pytest.raises(UpstreamRefusedError):
            await deltas(app)
        assert len(upstream.turns) == 1
