"""How an answer ends (spec 6.4): one row for each ending, streamed and whole, byte for byte.

That status, text and outcome are right whatever the fault, on every endpoint, is held by the matrix
in `tests/faults`, which plays many more of each kind.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.conftest import StartGateway
from tests.gateway import Answer, Gateway, until
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

TITLE = event({"type": "title_generation", "title": "A title", "conversation_id": "c1"})
SOON = Pause(0.05)
ERROR_KEYS = {"message", "type", "param", "code"}
LIMIT = {"metadata": {"finish_details": {"type": "max_tokens"}, "message_type": "next"}}
SUGGESTION = {"status": "finished_successfully", "end_turn": False}


def blocked(is_blocked: bool = True) -> bytes:
    verdict = {"flagged": True, "blocked": is_blocked}
    return event({"type": "moderation", "moderation_response": verdict, "conversation_id": "c1"})


def fault(error: object, **fields: Any) -> bytes:
    return event({"message": None, "conversation_id": "c1", "error": error, **fields})


@dataclass(frozen=True)
class Row:
    """What the upstream does, and how the answer ends."""

    name: str
    steps: tuple[Step, ...]
    outcome: str
    text: str = ""
    finish: str | None = "stop"
    upstream: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)


COMPLETE = [
    Row("done", (answer("Hel"), final("Hello"), DONE), "complete", "Hello"),
    Row(
        "cut after done, still in progress",
        (answer("Hello"), DONE, SOON, Abort()),
        "complete",
        "Hello",
    ),
    Row("closed after the last word", (answer("Hel"), final("Hello")), "complete", "Hello"),
    Row("open after done", (final("Hello"), DONE, STALL), "complete", "Hello"),
    Row(
        "silent after the last word",
        (final("Hello"), STALL),
        "complete",
        "Hello",
        upstream={"idle_seconds": 0.3},
    ),
    Row("title after the last word", (final("Hello"), TITLE, DONE), "complete", "Hello"),
    Row(
        "no empty line at the end",
        (final("Hello"), DONE.rstrip(b"\n")),
        "complete",
        "Hello",
    ),
    Row(
        "a flag that does not block",
        (answer("Hel"), blocked(is_blocked=False), final("Hello"), DONE),
        "complete",
        "Hello",
    ),
    Row(
        "our stop string",
        (answer("Hello wor"), answer("Hello world"), STALL),
        "complete",
        "Hello ",
        body={"stop": "world"},
    ),
    Row(
        "our token limit",
        (answer("one two three four five six"), STALL),
        "length",
        "one two three",
        "length",
        body={"max_tokens": 3},
    ),
    Row(
        "the upstream's token limit",
        (answer("one two"), final("one two three", **LIMIT), DONE),
        "length",
        "one two three",
        "length",
    ),
    Row(
        "moderation",
        (answer("something bad"), blocked(), STALL),
        "filtered",
        "something bad",
        "content_filter",
    ),
    Row("moderation at once", (blocked(), DONE), "filtered", "", "content_filter"),
]


@dataclass(frozen=True)
class Failed:
    """What the upstream does, and the caller's error."""

    name: str
    steps: tuple[Step, ...]
    outcome: str
    status: int
    code: str
    text: str = ""
    words: str = ""
    type: str = "upstream_error"
    head: Head = field(default_factory=Head)
    upstream: dict[str, Any] = field(default_factory=dict)


QUICK = {"first_event_seconds": 0.3, "idle_seconds": 0.3}
CAP = {"message": "Too many messages.", "code": "model_cap_exceeded", "clears_in": 7200}
JSON_HEAD = Head(content_type="application/json")
WEB_SOCKET = {
    "wss_url": "wss://ws.example.invalid/x?access_token=y",
    "conversation_id": "c1",
    "response_id": "r1",
}

FAILED = [
    Failed("cut uncleanly", (answer("Hel"), SOON, Abort()), "cut", 502, "upstream_cut", "Hel"),
    Failed(
        "cut after a message that does not end the turn",
        (answer("Hel"), answer("Hello", **SUGGESTION)),
        "cut",
        502,
        "upstream_cut",
        "Hello",
    ),
    Failed("cut before any text", (TITLE,), "cut", 502, "upstream_cut"),
    Failed("silent before its head", (STALL,), "silent", 504, "upstream_timeout", upstream=QUICK),
    Failed(
        "silent after text",
        (answer("Hel"), STALL),
        "silent",
        504,
        "upstream_timeout",
        "Hel",
        upstream=QUICK,
    ),
    Failed(
        "error event after text",
        (answer("Hel"), fault("It broke."), DONE),
        "failed",
        502,
        "upstream_error",
        "Hel",
        "It broke.",
    ),
    Failed(
        "error with a code beside it",
        (answer("Hel"), fault("It broke.", error_code="interruption_server_error"), DONE),
        "failed",
        502,
        "interruption_server_error",
        "Hel",
        "It broke.",
    ),
    Failed(
        "cap as an error event after text",
        (answer("Hel"), fault(CAP), DONE),
        "failed",
        429,
        "rate_limit_exceeded",
        "Hel",
        "Too many messages.",
        "rate_limit_error",
    ),
    Failed(
        "conversation that is not there",
        (fault("No such thing.", error_code="conversation_not_found"), DONE),
        "failed",
        404,
        "conversation_not_found",
        words="No such thing.",
        type="invalid_request_error",
    ),
    Failed("empty, done", (TITLE, DONE), "empty", 502, "empty_response"),
    Failed(
        "web socket",
        (WEB_SOCKET,),
        "failed",
        502,
        "upstream_error",
        words="WebSocket",
        head=JSON_HEAD,
    ),
]

STREAMED = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])


async def ask(gateway: Gateway, *, stream: bool, **body: Any) -> Answer:
    usage = {"stream_options": {"include_usage": True}} if stream else {}
    return await gateway.chat(stream=stream, **usage, **body)


async def check_outcome(
    gateway: Gateway, outcome: str, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    """Check the outcome where operators see it: in the metrics and in the access log."""
    lines: list[logging.LogRecord] = []

    def has_line() -> bool:
        lines[:] = [
            one
            for one in caplog.records
            if one.name == "gateway.access" and "chat/completions" in one.getMessage()
        ]
        return bool(lines)

    await until(has_line)
    assert [(one.outcome, one.status) for one in lines] == [(outcome, status)]
    assert await gateway.outcomes() == {outcome: 1.0}


@pytest.fixture(autouse=True)
def _access_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="gateway.access")


@STREAMED
@pytest.mark.parametrize("row", COMPLETE, ids=lambda row: row.name)
async def test_an_answer_that_ends_well(
    row: Row,
    stream: bool,
    scripted: ScriptedUpstream,
    start_gateway: StartGateway,
    caplog: pytest.LogCaptureFixture,
) -> None:
    scripted.plays(*row.steps)
    gateway = await start_gateway(scripted.url, upstream=row.upstream)
    got = await ask(gateway, stream=stream, **row.body)
    assert (got.status, got.text, got.finish) == (200, row.text, row.finish)
    if stream:
        check_good_stream(got)
    else:
        check_good_reply(got)
    await asyncio.wait_for(scripted.turns[0].closed.wait(), 20)
    await check_outcome(gateway, row.outcome, caplog, 200)


def check_good_stream(got: Answer) -> None:
    """Check that the end is one write: finish, usage and `[DONE]` in one chunk of HTTP."""
    *chunks, finish, usage, done = got.events
    assert done == "[DONE]"
    assert got.body.endswith(b"data: [DONE]\n\n")
    assert got.chunks[-1].count(b"data: ") >= 3
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert all(one["choices"][0]["finish_reason"] is None for one in chunks)
    assert finish["choices"][0]["delta"] == {}
    assert usage["choices"] == []
    assert len({(one["id"], one["created"], one["model"]) for one in (*chunks, finish, usage)}) == 1
    if got.text:
        assert usage["usage"]["completion_tokens"] > 0
    assert usage["usage"]["estimated"] is True


def check_good_reply(got: Answer) -> None:
    reply = got.json
    assert reply["object"] == "chat.completion"
    assert reply["choices"][0]["message"]["refusal"] is None
    assert reply["usage"]["estimated"] is True
    assert got.headers["Content-Type"].startswith("application/json")


@STREAMED
@pytest.mark.parametrize("row", FAILED, ids=lambda row: row.name)
async def test_an_answer_that_fails(
    row: Failed,
    stream: bool,
    scripted: ScriptedUpstream,
    start_gateway: StartGateway,
    caplog: pytest.LogCaptureFixture,
) -> None:
    scripted.plays(*row.steps, head=row.head)
    gateway = await start_gateway(scripted.url, upstream=row.upstream)
    got = await ask(gateway, stream=stream)
    is_late = stream and bool(row.text)  # the head was sent, so the error is in the stream
    assert got.is_stream is is_late
    assert got.status == (200 if is_late else row.status)
    assert (got.text, got.finish) == (row.text, None)
    check_error(got, row)
    if is_late:
        check_failed_stream(got)
    await asyncio.wait_for(scripted.turns[0].closed.wait(), 20)
    await check_outcome(gateway, row.outcome, caplog, got.status)


def check_error(got: Answer, row: Failed) -> None:
    error = got.error
    assert error is not None
    has_partial = bool(row.text) and not got.is_stream
    assert set(error) == ERROR_KEYS | ({"partial"} if has_partial else set())
    assert (error["code"], error["type"]) == (row.code, row.type)
    assert error["param"] is None
    assert row.words in error["message"]


def check_failed_stream(got: Answer) -> None:
    """Check that the error is the last event, in a write of its own."""
    assert b"[DONE]" not in got.body
    assert set(got.events[-1]) == {"error"}
    assert got.chunks[-1].endswith(b"}}\n\n")
    assert sum("error" in one for one in got.events) == 1


@STREAMED
async def test_a_long_limit_tells_when_it_ends(
    stream: bool, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(fault(CAP), DONE)
    gateway = await start_gateway(scripted.url)
    got = await ask(gateway, stream=stream)
    assert got.status == 429
    assert got.headers["Retry-After"] == "7200"
    assert got.headers["x-should-retry"] == "false"
    assert len(scripted.turns) == 1


NO_MODEL = {"detail": {"code": "model_not_found", "message": "No such model."}}
ERROR_BODIES = [
    Failed("cap as an event stream", ({"detail": CAP},), "refused", 429, "rate_limit_exceeded"),
    Failed("no model", (NO_MODEL,), "refused", 404, "model_not_found", head=JSON_HEAD),
]


@STREAMED
@pytest.mark.parametrize("row", ERROR_BODIES, ids=lambda row: row.name)
async def test_an_error_body_under_a_good_status_takes_the_status_of_its_code(
    row: Failed, stream: bool, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(*row.steps, head=row.head)
    gateway = await start_gateway(scripted.url)
    got = await ask(gateway, stream=stream)
    assert (got.status, got.error["code"]) == (row.status, row.code)
    assert "The upstream said: " in got.error["message"]
    assert await gateway.outcomes() == {row.outcome: 1.0}


async def test_usage_is_not_sent_unasked(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(final("Hello"), DONE)
    gateway = await start_gateway(scripted.url)
    got = await gateway.chat(stream=True)
    assert b'"usage"' not in got.body
    assert got.events[-2]["choices"][0]["finish_reason"] == "stop"


async def test_a_stream_that_is_collected_gives_the_whole_reply(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(answer("Hel"), SOON, answer("Hello"), SOON, final("Hello there"), DONE)
    gateway = await start_gateway(scripted.url)
    streamed, whole = await ask(gateway, stream=True), await ask(gateway, stream=False)
    reply = whole.json
    assert (streamed.text, streamed.finish) == (whole.text, whole.finish)
    assert streamed.events[-2]["usage"] == reply["usage"]
    for name in ("conversation_id", "message_id", "upstream_model"):
        assert streamed.events[-2][name] == reply[name]
    assert whole.headers["x-upstream-model"] == "gpt-4o"
