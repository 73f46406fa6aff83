import pytest

from service.vocabulary.errors import UpstreamRefusedError
from service.vocabulary.events import AnswerText, Failure, FunctionCallStarted
from tests.handlers.conftest import Serve
from tests.handlers.scripted import BEARER, CUT, FACTS, Surroundings
from tests.message_events import Read

BODY = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Hello"}],
}


@pytest.mark.whole
@pytest.mark.parametrize("is_stream", [False, True])
async def test_an_answer_has_the_name_that_was_asked_for(
    serve: Serve, around: Surroundings, is_stream: bool
) -> None:
    client = await serve()
    body = {**BODY, "stream": is_stream, "temperature": 0.5}
    response = await client.post("/v1/messages", json=body, headers=BEARER)
    message = Read(await response.read()).whole if is_stream else await response.json()
    assert message["content"] == [{"type": "text", "text": "Hello world"}]
    assert (message["model"], message["stop_reason"]) == ("claude-sonnet-4-5", "end_turn")
    assert message["id"].startswith("msg_")
    assert response.headers["x-ignored-fields"] == "temperature"
    assert response.headers["request-id"] == response.headers["x-request-id"]
    [(chat, credential)] = around.turns.requests
    assert chat.model == "claude-sonnet-4-5"
    assert credential.token == "fk-test"
    if not is_stream:
        assert response.headers["x-upstream-model"] == "gpt-4o-2024"
        assert response.headers["x-usage-estimated"] == "true"


@pytest.mark.whole
async def test_a_cut_after_the_start_is_told_in_the_stream(
    serve: Serve, around: Surroundings
) -> None:
    around.turns.script = [[FACTS, AnswerText("Half")], [FunctionCallStarted(0, "c", "f")], [CUT]]
    response = await (await serve()).post(
        "/v1/messages", json={**BODY, "stream": True}, headers=BEARER
    )
    told = Read(await response.read())
    assert (response.status, told.text, told.kinds) == (200, "Half", ["text", "tool_use"])
    assert told.error is not None
    whole = await (await serve()).post("/v1/messages", json=BODY, headers=BEARER)
    assert (whole.status, (await whole.json())["error"]["partial"]) == (502, "Half")


async def test_the_end_comes_once_and_in_one_write_with_the_end_of_the_body(
    serve: Serve,
) -> None:
    """A8 14: clients wait for the end of the body after the last event."""
    client = await serve()
    body = {**BODY, "stream": True}
    async with client.post("/v1/messages", json=body, headers=BEARER) as response:
        pieces = [piece async for piece, _ in response.content.iter_chunks()]
        assert response.content.at_eof()
    events = [event["type"] for event in Read(b"".join(pieces)).events]
    for kind in ("message_start", "message_delta", "message_stop"):
        assert events.count(kind) == 1
    assert events[-1] == "message_stop"
    assert b"message_delta" in pieces[-1]
    assert pieces[-1].endswith(b'data: {"type":"message_stop"}\n\n')


async def test_usage_is_in_both_places_and_whole(serve: Serve) -> None:
    """A8 15: at the start an estimate, at the end the input once more, with the cache."""
    response = await (await serve()).post(
        "/v1/messages", json={**BODY, "stream": True}, headers=BEARER
    )
    told = Read(await response.read())
    names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    for usage in (told.message["usage"], told.usage):
        assert all(type(usage[name]) is int for name in (*names, "output_tokens"))
        assert usage["input_tokens"] > 0 < usage["output_tokens"]


@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_refusal_before_the_start_has_its_status(
    serve: Serve, around: Surroundings, is_stream: bool
) -> None:
    failure = Failure(429, "Wait.", "rate_limit_error", "rate_limit_exceeded", None, 7)
    around.turns.script = [UpstreamRefusedError(failure, 429)]
    body = {**BODY, "stream": is_stream}
    response = await (await serve()).post("/v1/messages", json=body, headers=BEARER)
    assert (response.status, response.headers["Retry-After"]) == (429, "7")
    assert (await response.json())["error"] == {"type": "rate_limit_error", "message": "Wait."}


async def test_an_unmet_demand_costs_no_more_turns(serve: Serve, around: Surroundings) -> None:
    """A8 23: the upstream was asked twice already, so the client is told not to ask again."""
    tool = {"name": "f", "input_schema": {"type": "object"}}
    body = {**BODY, "tools": [tool], "tool_choice": {"type": "any"}}
    response = await (await serve()).post("/v1/messages", json=body, headers=BEARER)
    assert (response.status, response.headers["x-should-retry"]) == (403, "false")
    assert len(around.turns.requests) == 2
