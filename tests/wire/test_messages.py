"""What clients require of Anthropic's dialect: anthropic-wire 8, by the numbers.

Rules that are those of the encoder alone have their checks, by the same numbers, in
`tests/service/stages/encode/test_messages.py`, those of errors in `tests/handlers/edge/test_dialects.py`, those of
fields in `tests/handlers/messages/`.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import pytest
from anthropic import AsyncAnthropic, beta_async_tool
from openai import AsyncOpenAI
from pydantic import BaseModel

from service.stages.function_calls.call_block import END_TAG, TAG
from tests.conftest import StartGateway
from tests.gateway import ACCESS_TOKEN, Answer, Gateway, read
from tests.message_events import Read
from tests.scripted_upstream import (
    DONE,
    Abort,
    Head,
    Pause,
    ScriptedUpstream,
    answer,
    final,
)

KEY = {"x-api-key": ACCESS_TOKEN}
BEARER = {"Authorization": f"Bearer {ACCESS_TOKEN}"}
HELLO = [{"role": "user", "content": "Hello"}]
ADD = {
    "name": "add",
    "description": "Add two numbers.",
    "input_schema": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    },
}
BETAS = [f"some-beta-{day:02}-2026" for day in range(20)]


async def ask(
    gateway: Gateway,
    path: str = "/v1/messages",
    headers: dict[str, str] | None = None,
    **body: Any,
) -> Answer:
    """Ask as a client of this dialect does."""
    asked = {"model": "gpt-4o", "max_tokens": 1000, "messages": HELLO, **body}
    asked = {name: value for name, value in asked.items() if value != "left out"}
    async with gateway.session.post(
        f"{gateway.url}{path}", json=asked, headers=KEY if headers is None else headers
    ) as response:
        return await read(response)


@pytest.fixture
async def relay(scripted: ScriptedUpstream, start_gateway: StartGateway) -> Gateway:
    """A gateway before an upstream that says what a test wants."""
    return await start_gateway(scripted.url, upstream={"retries": 0})


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(api_key=ACCESS_TOKEN, base_url=gateway.url, max_retries=0) as made:
        yield made


# --- who may ask ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        KEY,
        BEARER,
        {**BEARER, "x-api-key": "sk-ant-api03-of-somebody-else"},
        {"Authorization": "Bearer sk-ant-api03-of-somebody-else", **KEY},
        {**KEY, "anthropic-version": "2023-06-01"},
        {**BEARER, "anthropic-version": "2026-10-21"},
        {**BEARER, "anthropic-version": "of tomorrow"},
    ],
)
async def test_1_a_key_comes_in_either_header(gateway: Gateway, headers: dict[str, str]) -> None:
    assert (await ask(gateway, headers=headers)).status == 200


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic x", "x-api-key": "a\u00e9"}])
async def test_2_without_a_key_nothing_is_tried_again(
    gateway: Gateway, headers: dict[str, str]
) -> None:
    refused = await ask(gateway, headers=headers)
    assert (refused.status, refused.headers["x-should-retry"]) == (401, "false")
    assert refused.json["error"]["type"] == "authentication_error"


async def test_3_what_is_unknown_is_accepted(gateway: Gateway) -> None:
    headers = {**KEY, "anthropic-beta": ",".join(BETAS)}
    body = {
        "foo": 1,
        "context_management": {"edits": [{"type": "clear_thinking_20251015"}]},
        "service_tier": "auto",
        "metadata": {"user_id": '{"session_id": "s"}'},
        "temperature": 1,
        "top_k": 5,
    }
    answer_ = await ask(gateway, "/v1/messages?beta=true", headers, **body)
    assert answer_.status == 200
    assert set(answer_.headers["x-ignored-fields"].split(", ")) == set(body)


async def test_4_a_tool_runner_sends_its_whole_history(
    client: AsyncAnthropic, demo: str, gateway: Gateway
) -> None:
    """A8 4: it asks for a thread, is told that there is none, and goes on without."""
    seen: list[dict[str, int]] = []

    @beta_async_tool
    async def add(a: int, b: int) -> str:
        """Add two numbers.

        Args:
            a: one.
            b: another.
        """
        seen.append({"a": a, "b": b})
        return f"The sum is {a + b}."

    runner = client.beta.messages.tool_runner(
        model="gpt-4o",
        max_tokens=500,
        tools=[add],
        messages=[{"role": "user", "content": "Add 2 and 3"}],
    )
    last = await runner.until_done()
    assert seen == [{"a": 2, "b": 3}]
    async with gateway.session.get(f"{demo}/demo/turns/1") as response:
        words = json.dumps((await response.json())["messages"])
    assert "Add 2 and 3" in words
    assert "The sum is 5." in words
    assert last.stop_reason == "end_turn"


# --- what is asked ----------------------------------------------------------------------


async def test_5_a_system_message_stands_at_its_place(
    relay: Gateway, scripted: ScriptedUpstream
) -> None:
    scripted.plays(final("Hi"), DONE)
    messages = [
        {"role": "user", "content": "first"},
        {"role": "system", "content": "told", "output_config": {"effort": "low"}},
        {"role": "assistant", "content": "second"},
        {"role": "user", "content": "third"},
    ]
    assert (await ask(relay, messages=messages, system="before all")).status == 200
    sent = scripted.turns[-1].body["messages"]
    assert [each["author"]["role"] for each in sent] == [
        *("system", "user", "system", "assistant", "user")
    ]
    assert sent[2]["content"]["parts"] == ["told"]


async def test_6_a_billing_line_is_never_sent_on(
    relay: Gateway, scripted: ScriptedUpstream
) -> None:
    scripted.plays(final("Hi"), DONE)
    for turn in "ab":
        system = [
            {"type": "text", "text": f"x-anthropic-billing-header: cc_version={turn};"},
            {"type": "text", "text": "You are.", "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": "Be brief."},
        ]
        assert (await ask(relay, system=system)).status == 200
    first, second = (turn.body["messages"][0]["content"]["parts"] for turn in scripted.turns)
    assert first == second == ["You are.\n\nBe brief."]


@pytest.mark.parametrize("field", ["max_tokens", "model", "messages"])
async def test_7_what_is_missing_is_named(gateway: Gateway, field: str) -> None:
    refused = await ask(gateway, **{field: "left out"})
    assert refused.status == 400
    assert refused.json["error"]["message"].startswith(f"{field}: Field required")


@pytest.mark.parametrize(
    "body",
    [
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": ""}, *HELLO[:0]]},
                *HELLO,
            ]
        },
        {"messages": [*HELLO, {"role": "assistant", "content": []}, *HELLO]},
        {"messages": [*HELLO, *HELLO, {"role": "assistant", "content": "a"}, *HELLO]},
        {"messages": [{"role": "assistant", "content": "a"}, *HELLO]},
        {"tools": [], "thinking": {"type": "disabled"}},
        {"container": None, "system": ""},
    ],
)
async def test_8_what_looks_odd_and_is_harmless_is_accepted(
    gateway: Gateway, body: dict[str, Any]
) -> None:
    answered = await ask(gateway, **body)
    assert answered.status == 200, answered.body


async def test_9_ids_of_messages_are_used_once(relay: Gateway, scripted: ScriptedUpstream) -> None:
    """A8 9: a client that counts two replies of one id as one message loses the second."""
    scripted.plays(final("Hi"), DONE)
    ids = set()
    for _ in range(10):
        many = await asyncio.gather(*(ask(relay, max_tokens=0) for _ in range(100)))
        ids |= {each.json["id"] for each in many}
    assert len(ids) == 1000
    assert all(each.startswith("msg_") and len(each) >= 28 for each in ids)


async def test_11_a_stream_is_what_the_strictest_reader_takes(gateway: Gateway) -> None:
    """A8 11 to 15 over scenes of the demo; the last event comes in one write with the end."""
    for text in ("Hello", "reason about boats", "draw a boat of 64x64", "search for boats"):
        streamed = await ask(
            gateway,
            stream=True,
            thinking={"type": "adaptive"},
            messages=[{"role": "user", "content": text}],
        )
        told = Read(streamed.body)
        assert told.text.strip()
        assert told.stop["stop_reason"] == "end_turn"
        assert b"event: message_stop" in streamed.chunks[-1]
        assert streamed.headers["request-id"]


async def test_13_arguments_come_as_the_model_wrote_them(
    relay: Gateway, scripted: ScriptedUpstream
) -> None:
    call = '<tool_call>\n{"name": "add", "arguments": {"b": 3, "a": 2}}\n</tool_call>'
    scripted.plays(*written(call))
    told = Read((await ask(relay, stream=True, tools=[ADD])).body)
    assert list(told.content[-1]["input"].items()) == [("b", 3), ("a", 2)]
    assert told.stop["stop_reason"] == "tool_use"


def written(text: str) -> list[bytes]:
    """Return a turn in which the model writes this."""
    text = text.replace("<tool_call>", TAG).replace("</tool_call>", END_TAG)
    return [answer(text), final(text), DONE]


async def test_10_a_call_comes_back_to_the_upstream_under_its_own_id(
    relay: Gateway, scripted: ScriptedUpstream
) -> None:
    scripted.plays(
        *written('<tool_call>\n{"name": "add", "arguments": {"a": 1, "b": 2}}\n</tool_call>')
    )
    first = (await ask(relay, tools=[ADD])).json
    [use] = [block for block in first["content"] if block["type"] == "tool_use"]
    back = [
        *HELLO,
        {"role": "assistant", "content": first["content"]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": use["id"], "content": "3"}],
        },
    ]
    await ask(relay, tools=[ADD], messages=back)
    sent = json.dumps(scripted.turns[-1].body["messages"])
    assert use["id"] not in sent
    again = (await ask(relay, tools=[ADD])).json["content"][-1]
    assert again["id"] != use["id"]


async def test_17_a_cut_is_an_error_and_never_an_end(
    relay: Gateway, scripted: ScriptedUpstream, client: AsyncAnthropic
) -> None:
    scripted.plays(answer("Half of it, and"), Abort())
    streamed = await ask(relay, stream=True)
    told = Read(streamed.body)
    assert told.text == "Half of it, and"
    assert told.error is not None
    assert told.error["error"]["type"] == "api_error"
    assert told.error["request_id"] == streamed.headers["request-id"]
    sdk = client.with_options(base_url=relay.url)
    with pytest.raises(anthropic.APIStatusError) as raised:
        async with sdk.messages.stream(model="gpt-4o", max_tokens=99, messages=HELLO) as stream:  # type: ignore[arg-type]
            await stream.get_final_message()
    assert raised.value.type == "api_error"  # type: ignore[attr-defined]


async def test_17_a_whole_reply_that_is_cut_has_what_arrived(
    relay: Gateway, scripted: ScriptedUpstream
) -> None:
    scripted.plays(answer("Half of it"), Abort())
    cut = await ask(relay)
    assert (cut.status, cut.json["error"]["partial"]) == (502, "Half of it")


FAILURES = {
    "overload": (Head(503), {"detail": "busy"}, 502, "api_error"),
    "limit": (Head(429), {"detail": "wait", "clears_in": 7}, 429, "rate_limit_error"),
    "far limit": (Head(429), {"detail": "wait", "clears_in": 7000}, 429, "rate_limit_error"),
    "refused": (Head(400), {"detail": "no such thing"}, 403, "permission_error"),
    "unknown model": (Head(404), {"detail": {"code": "model_not_found"}}, 404, "not_found_error"),
    "too long": (
        Head(413),
        {"detail": {"code": "message_length_exceeds_limit"}},
        400,
        "invalid_request_error",
    ),
}


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("name", FAILURES)
async def test_18_a_failure_before_the_start_has_its_status(
    relay: Gateway, scripted: ScriptedUpstream, name: str, is_stream: bool
) -> None:
    """A8 18, 19, 22, 23, 24; one turn upstream for each, and no second try of what is permanent."""
    head, body, status, kind = FAILURES[name]
    scripted.plays(body, head=head)
    failed = await ask(relay, stream=is_stream)
    assert (failed.status, failed.json["error"]["type"]) == (status, kind)
    assert failed.json["request_id"] == failed.headers["request-id"]
    assert len(scripted.turns) == 1
    vain = failed.headers.get("x-should-retry") == "false"
    assert vain is (name not in ("overload", "limit"))
    if "limit" in name:
        assert failed.headers["Retry-After"] == str(body["clears_in"])
    if name == "too long":
        assert failed.json["error"]["message"].startswith("prompt is too long: 128001 tokens > ")


@pytest.mark.parametrize("is_stream", [False, True])
async def test_23_a_refusal_is_an_answer(
    relay: Gateway, scripted: ScriptedUpstream, is_stream: bool
) -> None:
    detail = {"code": "flagged_by_moderation", "message": "Not this."}
    scripted.plays({"detail": detail}, head=Head(400))
    answered = await ask(relay, stream=is_stream)
    message = Read(answered.body).whole if is_stream else answered.json
    assert (answered.status, message["stop_reason"]) == (200, "refusal")
    assert "Not this." in message["content"][0]["text"]
    assert message["stop_details"]["explanation"] == message["content"][0]["text"]
    assert len(scripted.turns) == 1


async def test_20_silence_is_filled_with_what_clients_count(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    """A8 20, 21: comments at one pace, pings with empty deltas at another, by the settings' ratio."""
    gateway = await start_gateway(
        scripted.url,
        stream={"keep_alive_seconds": 0.1, "keep_alive_chunk_seconds": 0.3, "head_seconds": 0.1},
    )
    scripted.plays(Pause(2), final("At last."), DONE)
    streamed = await ask(gateway, stream=True)
    told = Read(streamed.body)
    assert told.text == "At last."
    comments = streamed.body.count(b": ping\n\n")
    pings = [each["type"] for each in told.events].count("ping") - 1  # one comes with the start
    empty = [
        each
        for each in told.events
        if each["type"] == "content_block_delta" and each["delta"].get("text") == ""
    ]
    assert len(empty) == pings >= 2
    assert comments > 1.5 * pings


async def test_24_a_client_that_is_told_to_wait_long_does_not(
    relay: Gateway, scripted: ScriptedUpstream
) -> None:
    scripted.plays({"detail": "wait", "clears_in": 7000}, head=Head(429))
    sdk = AsyncAnthropic(api_key=ACCESS_TOKEN, base_url=relay.url, max_retries=2)
    async with sdk, asyncio.timeout(30):
        with pytest.raises(anthropic.RateLimitError):
            await sdk.messages.create(model="gpt-4o", max_tokens=9, messages=HELLO)  # type: ignore[arg-type]
    assert len(scripted.turns) == 1


async def test_25_a_request_of_an_agents_size_is_the_same_whole_and_streamed(
    gateway: Gateway,
) -> None:
    tools = [{**ADD, "name": f"tool_{at}", "description": "words " * 500} for at in range(26)]
    body = {"system": "Be brief. " * 2_000, "tools": [*tools, ADD]}
    body["messages"] = [{"role": "user", "content": "Add 2 and 3"}]
    whole = (await ask(gateway, **body)).json
    told = Read((await ask(gateway, stream=True, **body)).body).whole
    for message in (whole, told):
        for block in message["content"]:
            block.pop("id", None)
    assert whole["content"] == told["content"]
    assert (whole["stop_reason"], whole["usage"]) == (told["stop_reason"], told["usage"])


@pytest.mark.parametrize("is_stream", [False, True])
async def test_26_nothing_to_see_is_an_error(
    relay: Gateway, scripted: ScriptedUpstream, is_stream: bool
) -> None:
    thoughts = {"content_type": "thoughts", "thoughts": [{"summary": "Hm", "content": "So."}]}
    scripted.plays(answer("", content=thoughts, status="finished_successfully"), DONE)
    answered = await ask(relay, stream=is_stream, thinking={"type": "adaptive"})
    if answered.status == 200:
        assert Read(answered.body).error is not None
    else:
        assert (answered.status, answered.json["error"]["type"]) == (502, "api_error")


@pytest.mark.parametrize(
    ("thinking", "kinds"),
    [
        (None, ["text"]),
        ({"type": "disabled"}, ["text"]),
        ({"type": "adaptive"}, ["thinking", "text"]),
        ({"type": "enabled", "budget_tokens": 2048}, ["thinking", "text"]),
        ({"type": "adaptive", "display": "omitted"}, ["thinking", "text"]),
    ],
)
async def test_27_thoughts_are_shown_when_asked_for(
    gateway: Gateway, thinking: dict[str, Any] | None, kinds: list[str]
) -> None:
    messages = [{"role": "user", "content": "reason about boats"}]
    message = (await ask(gateway, thinking=thinking, messages=messages)).json
    assert [block["type"] for block in message["content"]] == kinds
    if "thinking" in kinds:
        assert message["content"][0]["signature"]
        assert bool(message["content"][0]["thinking"]) is ("display" not in (thinking or {}))


async def test_28_thoughts_of_whatever_origin_are_taken_back(
    relay: Gateway, scripted: ScriptedUpstream
) -> None:
    """A8 28: own, foreign, empty and missing signatures, and sealed ones: none goes up as text."""
    scripted.plays(final("Hi"), DONE)
    thoughts = [
        {"type": "thinking", "thinking": "secret thought", "signature": "YmFja2VuZC10by12MTo6"},
        {"type": "thinking", "thinking": "secret thought", "signature": "EqQBCkYIBxgC"},
        {"type": "thinking", "thinking": "secret thought", "signature": ""},
        {"type": "thinking", "thinking": "secret thought"},
        {"type": "redacted_thinking", "data": "secret thought"},
        {"type": "text", "text": "Said."},
    ]
    messages = [*HELLO, {"role": "assistant", "content": thoughts}, *HELLO]
    assert (await ask(relay, messages=messages)).status == 200
    sent = json.dumps(scripted.turns[-1].body)
    assert "Said." in sent
    assert "secret thought" not in sent


# --- tools ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ({"type": "auto"}, ["add", "get_weather"]),
        ({"type": "any"}, ["add", "get_weather"]),
        ({"type": "tool", "name": "add"}, ["add"]),
        ({"type": "none"}, []),
        ({"type": "auto", "disable_parallel_tool_use": True}, ["add"]),
    ],
)
async def test_32_a_choice_of_tools_acts(
    gateway: Gateway, choice: dict[str, Any], names: list[str]
) -> None:
    weather = {
        "name": "get_weather",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
    }
    messages = [{"role": "user", "content": "Add 2 and 3 to the weather in Rome"}]
    body = {"tools": [ADD, weather], "tool_choice": choice, "messages": messages}
    message = (await ask(gateway, **body)).json
    called = [block["name"] for block in message["content"] if block["type"] == "tool_use"]
    if choice.get("disable_parallel_tool_use"):
        assert len(called) == 1
    else:
        assert sorted(called) == names
    assert message["stop_reason"] == ("tool_use" if called else "end_turn")


async def test_32_a_call_that_does_not_fit_is_asked_for_once_more(
    relay: Gateway, scripted: ScriptedUpstream
) -> None:
    scripted.plays(*written('<tool_call>\n{"name": "add", "arguments": {"a": "x"}}\n</tool_call>'))
    scripted.plays(
        *written('<tool_call>\n{"name": "add", "arguments": {"a": 1, "b": 2}}\n</tool_call>')
    )
    message = (await ask(relay, tools=[ADD])).json
    assert message["content"][-1]["input"] == {"a": 1, "b": 2}
    assert len(scripted.turns) == 2


class Trip(BaseModel):
    city: str
    days: int


async def test_33_json_of_a_schema_is_alone_in_one_block(client: AsyncAnthropic) -> None:
    parsed = await client.messages.parse(
        model="gpt-4o",
        max_tokens=500,
        messages=[{"role": "user", "content": "A trip to Rome"}],
        output_format=Trip,
    )
    assert isinstance(parsed.parsed_output, Trip)
    assert [block.type for block in parsed.content] == ["text"]


@pytest.mark.parametrize("field", ["output_format", "output_config"])
async def test_33_either_place_of_the_format_is_read(gateway: Gateway, field: str) -> None:
    wanted = {"type": "json_schema", "schema": Trip.model_json_schema()}
    body = {field: wanted if field == "output_format" else {"format": wanted}}
    [block] = (await ask(gateway, **body)).json["content"]
    Trip.model_validate_json(block["text"])


async def test_34_a_search_has_its_links(gateway: Gateway) -> None:
    """A8 34, A9.10: the request of Claude Code's `WebSearch`."""
    body = {
        "tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 8}],
        "tool_choice": {"type": "tool", "name": "web_search"},
        "messages": [{"role": "user", "content": "search for boats"}],
    }
    told = Read((await ask(gateway, stream=True, **body)).body)
    assert sorted(told.kinds) == ["server_tool_use", "text", "web_search_tool_result"]
    found = next(each for each in told.content if each["type"] == "web_search_tool_result")
    assert all(page["url"].startswith("http") for page in found["content"])
    assert found["content"]
    assert told.usage["server_tool_use"]["web_search_requests"] == 1


# --- the end, and what stands beside ----------------------------------------------------


async def test_36_a_stop_sequence_is_found_over_deltas(
    relay: Gateway, scripted: ScriptedUpstream
) -> None:
    scripted.plays(answer("one EN"), answer("one END two"), final("one END two"), DONE)
    for is_stream in (True, False):
        answered = await ask(relay, stream=is_stream, stop_sequences=["END", "three"])
        message = Read(answered.body).whole if is_stream else answered.json
        assert message["content"][0]["text"] == "one "
        assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "END")
    short = (await ask(relay, max_tokens=1)).json
    assert (short["stop_reason"], short["stop_sequence"]) == ("max_tokens", None)


@pytest.mark.parametrize("is_stream", [False, True])
async def test_36_no_tokens_at_all_cost_no_turn(
    relay: Gateway, scripted: ScriptedUpstream, is_stream: bool
) -> None:
    answered = await ask(relay, max_tokens=0, stream=is_stream)
    message = Read(answered.body).whole if is_stream else answered.json
    assert (message["content"], message["stop_reason"]) == ([], "max_tokens")
    assert scripted.turns == []


async def test_37_tokens_are_counted_here_and_many_at_once(
    relay: Gateway, scripted: ScriptedUpstream, client: AsyncAnthropic
) -> None:
    big = {**ADD, "description": "words " * 8_000}
    body = {"max_tokens": "left out", "tools": [big]}
    path = "/v1/messages/count_tokens?beta=true"
    counted = await asyncio.gather(*(ask(relay, path, **body) for _ in range(40)))
    assert {each.status for each in counted} == {200}
    assert len({each.json["input_tokens"] for each in counted}) == 1
    assert (scripted.turns, scripted.lists_asked) == ([], 0)
    sdk = client.with_options(base_url=relay.url)
    counted_by_sdk = await sdk.messages.count_tokens(model="gpt-4o", messages=HELLO)  # type: ignore[arg-type]
    assert 0 < counted_by_sdk.input_tokens < 25


async def test_38_both_sdks_list_the_models_of_one_path(
    gateway: Gateway, client: AsyncAnthropic
) -> None:
    theirs = [model.id async for model in client.models.list(limit=2)]
    assert theirs[:3] == ["claude-opus", "claude-sonnet", "claude-haiku"]
    async with AsyncOpenAI(api_key=ACCESS_TOKEN, base_url=f"{gateway.url}/v1") as openai:
        ours = [model.id async for model in openai.models.list()]
    assert sorted(ours) == sorted(theirs)
    assert (await client.models.retrieve("claude-opus")).type == "model"


async def test_39_batches_are_not_found_by_one_request(
    gateway: Gateway, client: AsyncAnthropic
) -> None:
    sdk = client.with_options(max_retries=2)
    before = await gateway.counts("gateway_requests_total", "route")
    with pytest.raises(anthropic.NotFoundError):
        await sdk.messages.batches.list()
    after = await gateway.counts("gateway_requests_total", "route")
    assert sum(after.values()) - sum(before.values()) <= 2  # and the one for these figures


async def test_40_a_look_at_the_address_needs_no_key(gateway: Gateway) -> None:
    for path in ("/", "/v1", "/v1/"):
        async with gateway.session.head(f"{gateway.url}{path}") as response:
            assert response.status in (200, 404)


async def test_the_names_of_models_stand_for_those_of_the_account(
    relay: Gateway, scripted: ScriptedUpstream
) -> None:
    """A7.1, A9.1: the reply has the name that was asked for, the header the one that answered."""
    scripted.plays(final("Hi"), DONE)
    for name, slug in (
        ("claude-opus-4-5-20251101", "gpt-4o"),
        ("claude-3-5-haiku-latest", "gpt-4o-mini"),
        ("anthropic/claude-sonnet-4-5[1m]", "gpt-4o"),
        ("claude-of-tomorrow", "gpt-4o"),
        ("gpt-9", "gpt-9"),
    ):
        answered = await ask(relay, model=name)
        assert answered.json["model"] == name
        assert answered.headers["x-upstream-model"] == "gpt-4o"
        assert scripted.turns[-1].body["model"] == slug


async def test_pictures_and_documents_go_up(gateway: Gateway, demo: str) -> None:
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    pdf = base64.b64encode(b"%PDF-1.4\n%%EOF\n").decode()
    content = [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": pixel}},
        {
            "type": "document",
            "title": "report.pdf",
            "source": {"type": "base64", "media_type": "application/pdf", "data": pdf},
        },
        {
            "type": "document",
            "title": "notes",
            "source": {"type": "text", "media_type": "text/plain", "data": "boats float"},
        },
        {"type": "text", "text": "What is this?"},
    ]
    answered = await ask(gateway, messages=[{"role": "user", "content": content}])
    assert answered.status == 200, answered.body
    async with gateway.session.get(f"{demo}/demo/turns/1") as response:
        sent = json.dumps((await response.json())["messages"])
    for word in ("image_asset_pointer", "report.pdf", "boats float", "What is this?"):
        assert word in sent


async def test_nothing_of_the_callers_headers_goes_up(
    relay: Gateway, scripted: ScriptedUpstream
) -> None:
    """A9.12: neither its headers nor its session."""
    scripted.plays(final("Hi"), DONE)
    headers = {
        **KEY,
        "anthropic-version": "2023-06-01",
        "x-app": "cli",
        "X-Claude-Code-Session-Id": "session-of-the-caller",
    }
    await ask(relay, headers=headers, metadata={"user_id": "session-of-the-caller"})
    turn = scripted.turns[-1]
    assert "session-of-the-caller" not in json.dumps([turn.body, turn.headers])
    assert not {"x-api-key", "x-app"} & {name.lower() for name in turn.headers}
    assert not [name for name in turn.headers if name.lower().startswith(("anthropic", "x-claude"))]
