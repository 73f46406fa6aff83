"""How a response ends (spec 6.4, openai-wire 8), streamed and whole, byte for byte."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from service.program.assembly import drain
from tests.conftest import StartGateway
from tests.gateway import ACCESS_TOKEN, Answer, Gateway, read, until
from tests.response_events import check_response, checked, last_response, text_of, types_of
from tests.scripted_upstream import (
    DONE,
    STALL,
    Abort,
    Head,
    Pause,
    ScriptedUpstream,
    Step,
    answer,
    event,
    final,
)

PATH = "/v1/responses"
HEADERS = {"Authorization": f"Bearer {ACCESS_TOKEN}"}
BLOCKED = event(
    {"type": "moderation", "moderation_response": {"blocked": True}, "conversation_id": "c1"}
)
FAULT = event({"message": None, "conversation_id": "c1", "error": "It broke."})
STREAMED = pytest.mark.parametrize("is_stream", [True, False], ids=["stream", "whole"])


def open_response(gateway: Gateway, text: Any = "Hello", **body: Any) -> Any:
    wanted = {"model": "gpt-4o", "input": text, **body}
    return gateway.session.post(f"{gateway.url}{PATH}", json=wanted, headers=HEADERS)


async def respond(gateway: Gateway, text: Any = "Hello", **body: Any) -> Answer:
    async with open_response(gateway, text, **body) as response:
        return await read(response)


def response_in(got: Answer) -> dict[str, Any]:
    """Return the response object of a reply, or of the event that ends a stream."""
    found = checked(got.body)[-1]["response"] if got.is_stream else got.json
    check_response(found)
    return dict(found)


@dataclass(frozen=True)
class Row:
    """What the upstream does, and the response."""

    name: str
    steps: tuple[Step, ...]
    outcome: str
    status: str = "completed"
    text: str = "Hello"
    reason: str | None = None
    body: dict[str, Any] = field(default_factory=dict)


COMPLETE = [
    Row("done", (answer("Hel"), final("Hello"), DONE), "complete"),
    Row("cut after the last word", (final("Hello"), Pause(0.05), Abort()), "complete"),
    Row(
        "our token limit",
        (answer("one two three four five six"), STALL),
        "length",
        "incomplete",
        "one two three",
        "max_output_tokens",
        body={"max_output_tokens": 3},
    ),
    Row(
        "moderation",
        (answer("bad"), BLOCKED, STALL),
        "filtered",
        "incomplete",
        "bad",
        "content_filter",
    ),
]


@STREAMED
@pytest.mark.parametrize("row", COMPLETE, ids=lambda row: row.name)
async def test_an_answer_that_ends(
    row: Row, is_stream: bool, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(*row.steps)
    gateway = await start_gateway(scripted.url)
    got = await respond(gateway, stream=is_stream, **row.body)
    assert got.status == 200
    response = response_in(got)
    assert response["status"] == row.status
    assert check_response(response).output_text == row.text
    assert response["incomplete_details"] == (row.reason and {"reason": row.reason})
    assert response["usage"]["output_tokens"] > 0
    assert (response["conversation_id"], response["message_id"]) == ("c1", "a1")
    assert await gateway.outcomes() == {row.outcome: 1}


@dataclass(frozen=True)
class Failed:
    """What the upstream does, and the caller's error."""

    name: str
    steps: tuple[Step, ...]
    outcome: str
    status: int
    code: str
    text: str = ""
    upstream: dict[str, Any] = field(default_factory=dict)


FAILED = [
    Failed("cut", (answer("Hel"), Abort()), "cut", 502, "upstream_cut", "Hel"),
    Failed("error event", (answer("Hel"), FAULT), "failed", 502, "upstream_error", "Hel"),
    Failed(
        "silent",
        (answer("Hel"), STALL),
        "silent",
        504,
        "upstream_timeout",
        "Hel",
        {"idle_seconds": 0.3},
    ),
    Failed("empty", (DONE,), "empty", 502, "empty_response"),
]


@STREAMED
@pytest.mark.parametrize("row", FAILED, ids=lambda row: row.name)
async def test_an_answer_that_fails(
    row: Failed, is_stream: bool, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(*row.steps)
    gateway = await start_gateway(scripted.url, upstream=row.upstream)
    got = await respond(gateway, stream=is_stream)
    if is_stream and row.text:
        events = checked(got.body)
        assert got.status == 200
        *_, failed, error = events
        assert (failed["type"], error["type"]) == ("response.failed", "error")
        assert failed["response"]["error"]["code"] == error["code"] == row.code
        assert text_of(events) == row.text
        assert "[DONE]" not in got.body.decode()
    else:  # nothing was written yet, so the caller gets the real status
        assert got.status == row.status
        assert got.json["error"]["code"] == row.code
        assert got.json["error"].get("partial", "") == row.text
    assert await gateway.outcomes() == {row.outcome: 1}


@STREAMED
async def test_a_refusal_has_its_true_status(
    is_stream: bool, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    detail = {"detail": {"code": "model_cap_exceeded", "message": "Cap.", "clears_in": 90}}
    scripted.plays(detail, head=Head(429, "application/json"))
    gateway = await start_gateway(scripted.url)
    got = await respond(gateway, stream=is_stream)
    assert got.status == 429
    assert got.headers["Retry-After"] == "90"
    assert set(got.json["error"]) == {"message", "type", "param", "code"}
    assert await gateway.outcomes() == {"refused": 1}


async def test_a_late_refusal_is_a_failed_response(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(Pause(0.5), {"detail": {"message": "No."}}, head=Head(403, "application/json"))
    gateway = await start_gateway(scripted.url, stream={"head_seconds": 0.1})
    got = await respond(gateway, stream=True)
    events = checked(got.body)
    assert types_of(events) == ["created", "in_progress", "failed", "error"]
    assert last_response(events)["output"] == []
    assert await gateway.outcomes() == {"refused": 1}


async def test_the_head_and_the_first_events_do_not_wait_for_the_upstream(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(Pause(0.6), final("Hello"), DONE)
    pace = {"head_seconds": 0.1, "keep_alive_seconds": 0.1, "keep_alive_chunk_seconds": 0.2}
    gateway = await start_gateway(scripted.url, stream=pace)
    got = await respond(gateway, stream=True)
    assert got.chunks[0].startswith(b"event: response.created\n")
    assert got.chunks[0].endswith(b": ping\n\n")
    events = checked(got.body)
    assert types_of(events)[:3] == ["created", "in_progress", "in_progress"]
    assert text_of(events) == "Hello"
    assert got.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert got.headers["Cache-Control"] == "no-cache"
    assert got.headers["X-Accel-Buffering"] == "no"


async def test_the_last_event_ends_the_body_in_the_same_write(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(answer("Hel"), Pause(0.05), final("Hello"), DONE)
    got = await respond(await start_gateway(scripted.url), stream=True)
    assert b"event: response.completed\n" in got.chunks[-1]
    assert got.chunks[-1].endswith(b"\n\n")


async def test_a_caller_that_leaves_ends_the_turn(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(answer("Hel"), STALL)
    gateway = await start_gateway(scripted.url)
    async with open_response(gateway, stream=True) as response:
        assert await response.content.readany()
        response.close()
    await asyncio.wait_for(scripted.turns[0].closed.wait(), 20)
    await until(lambda: scripted.stopped == ["c1"])
    assert await gateway.outcomes() == {"abandoned": 1}


async def test_a_gateway_that_stops_says_so(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(answer("Hel"), STALL)
    gateway = await start_gateway(scripted.url)
    async with open_response(gateway, stream=True) as response:
        first = await response.content.readany()
        await drain(gateway.app, 0.05)
        events = checked(first + await response.content.read())
    assert last_response(events)["error"]["code"] == "server_shutdown"
    assert text_of(events) == "Hel"


async def test_a_bug_in_a_stream_is_told_in_its_dialect(
    scripted: ScriptedUpstream, start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("service.stages.encode.responses.ResponseEvents.finish", broken)
    scripted.plays(answer("Hel"), Pause(0.05), final("Hello"), DONE)
    got = await respond(await start_gateway(scripted.url), stream=True)
    events = checked(got.body)
    assert last_response(events)["error"]["code"] == events[-1]["code"] == "internal_error"


async def test_no_key_is_a_401_before_anything_is_sent(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    gateway = await start_gateway(scripted.url)
    body = {"model": "gpt-4o", "input": "Hello"}
    async with gateway.session.post(f"{gateway.url}{PATH}", json=body) as response:
        got = await read(response)
    assert (got.status, got.json["error"]["code"]) == (401, "invalid_api_key")
    assert scripted.turns == []


async def test_a_response_has_its_line_in_the_access_log(
    scripted: ScriptedUpstream, start_gateway: StartGateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "gateway.access")
    scripted.plays(final("Hello"), DONE)
    got = await respond(await start_gateway(scripted.url))
    (line,) = [one for one in caplog.records if one.name == "gateway.access"]
    fields = vars(line)
    assert fields["path"] == PATH
    assert fields["outcome"] == "complete"
    assert fields["upstream_model"] == "gpt-4o"
    assert fields["completion_tokens"] == got.json["usage"]["output_tokens"]
    assert float(got.headers["x-gateway-overhead-ms"]) >= 0
    assert got.headers["x-upstream-model"] == "gpt-4o"
