import asyncio
import gc
import json
import logging
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from handlers.edge.record import Record
from service import keys
from service.vocabulary.errors import AuthError, QueueFullError, ServiceError, UpstreamTimeoutError
from service.vocabulary.events import (
    AnswerStarted,
    AnswerText,
    AssetKind,
    AssetReady,
    AssetWanted,
    Cited,
    Failure,
    Outcome,
    ReasoningText,
    Source,
    ToolResult,
    TurnEnded,
)
from tests.garbage import without_collector
from tests.handlers.conftest import Serve
from tests.handlers.scripted import BEARER, CUT, END, FACTS, Surroundings, says

PATH = "/v1/chat/completions"
BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}


async def ask(client: TestClient, headers: dict[str, str] | None = None, **fields: Any) -> Any:
    return await client.post(PATH, json={**BODY, **fields}, headers={**BEARER, **(headers or {})})


async def test_a_whole_reply(serve: Serve, around: Surroundings) -> None:
    response = await ask(await serve())
    assert response.status == 200
    assert response.content_type == "application/json"
    reply = await response.json()
    assert reply["id"].startswith("chatcmpl-")
    assert len(reply["id"]) == len("chatcmpl-") + 29
    assert reply["object"] == "chat.completion"
    assert isinstance(reply["created"], int)
    assert reply["model"] == "gpt-4o"
    assert reply["choices"] == [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Hello world",
                "refusal": None,
                "annotations": [],
            },
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    usage = reply["usage"]
    assert usage["completion_tokens"] == 2
    assert usage["total_tokens"] == usage["prompt_tokens"] + 2
    assert usage["estimated"] is True
    assert reply["conversation_id"] == "conv-1"
    assert reply["upstream_model"] == "gpt-4o-2024"
    assert response.headers["x-upstream-model"] == "gpt-4o-2024"
    assert 0 <= float(response.headers["x-gateway-overhead-ms"]) < 1_000
    assert "x-ignored-fields" not in response.headers
    [(request, credential)] = around.turns.requests
    assert credential.token == "fk-test"
    assert request.public_url == f"http://{response.url.host}:{response.url.port}"


async def test_a_stream_and_a_whole_reply_agree(serve: Serve, around: Surroundings) -> None:
    asset = AssetWanted(AssetKind.PICTURE, "sediment://x", "c", "m")
    around.turns.script = [
        [FACTS, AnswerStarted("m"), ReasoningText("Hm."), AnswerText("See ")],
        [Cited(1, "[[1](https://a.example)]", (Source("https://a.example", "A"),))],
        [AssetReady(asset, "https://g.example/images/1.png", "", "image/png")],
        [END],
    ]
    client = await serve()
    whole = await (await ask(client)).json()
    chunks, last = await events(
        await ask(client, stream=True, stream_options={"include_usage": True})
    )
    assert last == "[DONE]"
    message: dict[str, Any] = {"refusal": None}
    for chunk in chunks[:-1]:
        for key, value in chunk["choices"][0]["delta"].items():
            message[key] = message[key] + value if key in message else value
    assert message == whole["choices"][0]["message"]
    assert chunks[-1]["usage"] == whole["usage"]
    assert chunks[-2]["x_images"] == whole["x_images"]
    assert message["annotations"][0]["url_citation"]["start_index"] == 4


async def events(response: Any) -> tuple[list[Any], str]:
    assert response.status == 200
    blocks = (await response.text()).split("\n\n")
    assert blocks.pop() == ""
    data = [b.removeprefix("data: ") for b in blocks if not b.startswith(":")]
    last = data.pop() if data[-1] == "[DONE]" else ""
    return [json.loads(item) for item in data], last


async def test_ignored_fields_are_named_on_both_kinds_of_reply(serve: Serve) -> None:
    client = await serve()
    for stream in (False, True):
        response = await ask(client, stream=stream, temperature=0, seed=1)
        assert response.headers["x-ignored-fields"] == "temperature, seed"


async def test_the_key_is_checked_before_the_body(serve: Serve) -> None:
    client = await serve()
    for headers in ({}, {"Authorization": "Basic abc"}, {"Authorization": "Bearer "}):
        response = await client.post(PATH, data=b"{nonsense", headers=headers)
        assert response.status == 401
        error = (await response.json())["error"]
        assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_api_key")
    response = await client.post(PATH, data=b"{nonsense", headers={"api-key": "fk-test"})
    assert response.status == 400


async def test_the_account_is_taken_from_the_bearer_or_a_header(
    serve: Serve, around: Surroundings
) -> None:
    client = await serve()
    await ask(client, {"Authorization": "Bearer fk-a,team-1"})
    await ask(client, {"ChatGPT-Account-ID": "team-2"})
    accounts = [credential.account_id for _, credential in around.turns.requests]
    assert accounts == ["team-1", "team-2"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (AuthError("It is dead."), "refused"),
        (QueueFullError("Wait.", retry_after_seconds=2.1), "refused"),
        (UpstreamTimeoutError("It was silent."), "silent"),
    ],
)
async def test_an_error_before_the_first_event_has_its_true_status(
    serve: Serve, around: Surroundings, stream: bool, error: ServiceError, outcome: str
) -> None:
    around.turns.script = [error]
    client = await serve()
    response = await ask(client, stream=stream)
    assert response.status == error.status
    assert response.content_type == "application/json"
    assert (await response.json())["error"]["message"] == error.message
    assert counted(client, outcome) == 1
    if error.retry_after_seconds:
        assert response.headers["Retry-After"] == "3"
        assert "x-should-retry" not in response.headers


def counted(client: TestClient, outcome: str) -> float | None:
    registry = client.app[keys.METRICS].registry
    return registry.get_sample_value("gateway_outcomes_total", {"outcome": outcome})


async def test_a_failed_whole_reply_carries_the_text_that_arrived(
    serve: Serve, around: Surroundings
) -> None:
    around.turns.script = [[AnswerStarted("m"), AnswerText("Once upon")], [CUT]]
    client = await serve()
    response = await ask(client)
    assert response.status == 502
    assert await response.json() == {
        "error": {
            "message": "It was cut.",
            "type": "upstream_error",
            "param": None,
            "code": "upstream_cut",
            "partial": "Once upon",
        }
    }
    assert counted(client, "cut") == 1


async def test_a_failed_whole_reply_without_text_has_four_keys(
    serve: Serve, around: Surroundings
) -> None:
    around.turns.script = [[CUT]]
    error = (await (await ask(await serve())).json())["error"]
    assert error.keys() == {"message", "type", "param", "code"}


async def test_a_long_wait_is_not_to_be_retried(serve: Serve, around: Surroundings) -> None:
    failure = Failure(429, "Wait.", "rate_limit_error", "rate_limit_exceeded", None, 3_600.5)
    around.turns.script = [[TurnEnded(Outcome.REFUSED, None, failure)]]
    response = await ask(await serve())
    assert response.headers["Retry-After"] == "3601"
    assert response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("stream", [False, True])
async def test_limits_end_the_turn(serve: Serve, around: Surroundings, stream: bool) -> None:
    around.turns.script = [*says("one two three")[:-1], asyncio.Event()]
    client = await serve()
    for fields, text, reason in (
        ({"max_tokens": 2}, "one two", "length"),
        ({"stop": "three"}, "one two ", "stop"),
    ):
        around.turns.closed.clear()
        response = await ask(client, stream=stream, **fields)
        if stream:
            chunks, _ = await events(response)
            found = "".join(c["choices"][0]["delta"].get("content", "") for c in chunks)
            assert chunks[-1]["choices"][0]["finish_reason"] == reason
        else:
            choice = (await response.json())["choices"][0]
            found = choice["message"]["content"]
            assert choice["finish_reason"] == reason
        assert found == text
        await asyncio.wait_for(around.turns.closed.wait(), 20)


async def test_the_profile_is_chosen_by_settings_header_and_field(
    serve: Serve, around: Surroundings
) -> None:
    around.turns.script = [[AnswerStarted("m"), ToolResult("4"), AnswerText("Four")], [END]]
    client = await serve(bot_mode={"enabled": True})

    async def content(headers: dict[str, str] | None = None, **fields: Any) -> str:
        reply = await (await ask(client, headers, **fields)).json()
        return reply["choices"][0]["message"]["content"]

    assert await content() == "Four"
    assert "`Result:`" in await content({"x-render-profile": "web"})
    assert await content({"x-render-profile": "web"}, render_profile="raw") == "Four"
    assert (await ask(client, {"x-render-profile": "html"})).status == 400


async def test_a_temporary_chat_gives_out_no_ids(serve: Serve) -> None:
    client = await serve(conversation={"temporary": True})
    assert "conversation_id" not in await (await ask(client)).json()


async def leave_after(seconds: float, asking: Any) -> None:
    try:
        async with asyncio.timeout(seconds):
            response = await asking
            try:
                await response.read()
            finally:
                response.close()
    except TimeoutError:
        return


@pytest.mark.parametrize("stream", [False, True])
async def test_a_caller_that_leaves_closes_the_turn(
    serve: Serve, around: Surroundings, stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gateway.access")
    around.turns.script = [*says("Hello")[:-1], asyncio.Event()]
    client = await serve()
    await leave_after(0.2, ask(client, stream=stream))
    await asyncio.wait_for(around.turns.closed.wait(), 20)
    await asyncio.sleep(0.01)
    assert counted(client, "abandoned") == 1
    assert [(r.status, r.outcome) for r in caplog.records] == [(200 if False else 499, "abandoned")]


async def test_the_log_line_tells_the_outcome(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gateway.access")
    client = await serve()
    await (await ask(client, {"x-request-id": "abc"}, stream=True)).read()
    await asyncio.sleep(0.05)  # the line is written after the caller has everything
    [line] = caplog.records
    fields = vars(line)
    assert line.getMessage() == f"POST {PATH} 200"
    assert fields["request_id"] == "abc"
    assert fields["outcome"] == "complete"
    assert fields["model"] == "gpt-4o"
    assert fields["upstream_model"] == "gpt-4o-2024"
    assert fields["stream"] is True
    assert fields["profile"] == "web"
    assert fields["completion_tokens"] == 2
    assert fields["prompt_tokens"] > 2
    assert fields["bytes"] > 500
    assert fields["first_text_ms"] <= fields["total_ms"]
    assert "fk-test" not in str(fields)


async def test_metrics_are_counted(serve: Serve) -> None:
    client = await serve()
    await ask(client)
    await (await ask(client, stream=True)).read()
    await asyncio.sleep(0.05)
    await ask(client, n=2)
    text = await (await client.get("/metrics")).text()
    route = f'route="{PATH}"'
    assert f'gateway_requests_total{{{route},status="200"}} 2.0' in text
    assert f'gateway_requests_total{{{route},status="400"}} 1.0' in text
    assert 'gateway_outcomes_total{outcome="complete"} 2.0' in text
    assert "gateway_first_token_seconds_count 1.0" in text
    assert "gateway_token_seconds_count 2.0" in text
    assert "gateway_overhead_seconds_count 1.0" in text


async def test_lone_surrogates_pass_both_ways(serve: Serve, around: Surroundings) -> None:
    around.turns.script = says("a\ud83d")
    body = json.dumps({**BODY, "messages": [{"role": "user", "content": "\ud83d"}]})
    response = await (await serve()).post(PATH, data=body, headers=BEARER)
    assert (await response.json())["choices"][0]["message"]["content"] == "a\ud83d"
    assert around.turns.requests[0][0].messages[0].text == "\ud83d"


async def test_the_json_content_type_is_not_asked_for_but_forms_are_refused(serve: Serve) -> None:
    client = await serve()
    body = json.dumps(BODY)
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "application/json"):
        headers = {**BEARER, "Content-Type": content_type}
        assert (await client.post(PATH, data=body, headers=headers)).status == 200
    headers = {**BEARER, "Content-Type": "multipart/form-data; boundary=x"}
    response = await client.post(PATH, data=body, headers=headers)
    assert response.status == 400
    assert (await response.json())["error"]["code"] == "unsupported_media_type"


@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_request_is_freed_without_the_garbage_collector(
    serve: Serve, is_stream: bool
) -> None:
    client, held = await serve(), []
    with without_collector():
        gc.freeze()  # so that only what the requests make is looked at
        for _ in range(6):
            await (await ask(client, stream=is_stream)).read()
            held.append(sum(isinstance(each, Record) for each in gc.get_objects()))
    assert held[-1] == held[0]  # its connection holds the latest
