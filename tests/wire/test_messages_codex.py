"""The Messages dialect on Codex's upstream: what anthropic-wire 8 requires there, by the numbers."""

import json
from typing import Any

import pytest

from tests.conftest import StartGateway
from tests.gateway import Answer, Gateway
from tests.message_events import Read
from tests.upstream.demo.codex.client import RESPONSES, CodexClient
from tests.wire.test_messages import ADD, HELLO, ask

ADAPTIVE = {"type": "adaptive"}


class Native:
    """A gateway before the demo's Codex back end, and an account there."""

    def __init__(self, gateway: Gateway, demo: str, token: str) -> None:
        self.gateway = gateway
        self.demo = demo
        self.key = {"x-api-key": f"codex:{token}"}

    async def ask(self, text: str = "", **body: Any) -> Answer:
        if text:
            body["messages"] = [{"role": "user", "content": text}]
        return await ask(self.gateway, headers=self.key, **body)

    async def read(self, text: str = "", **body: Any) -> Read:
        streamed = await self.ask(text, stream=True, **body)
        assert streamed.status == 200, streamed.body
        return Read(streamed.body)

    async def sent(self) -> dict[str, Any]:
        """Return the body of the last turn."""
        async with self.gateway.session.get(f"{self.demo}/demo/codex/bodies/1") as response:
            body: dict[str, Any] = await response.json()
        return body

    async def turns(self) -> int:
        """Return how many turns were asked for."""
        async with self.gateway.session.get(f"{self.demo}/demo/codex/stats") as response:
            seen = await response.json()
        return sum(one["path"] == RESPONSES for one in seen["requests"])


@pytest.fixture
async def native(demo: str, start_gateway: StartGateway) -> Native:
    base = f"{demo}/backend-api/codex"
    gateway = await start_gateway(demo, codex={"base_url": base}, upstream={"retries": 0})
    account = CodexClient(gateway.session, demo, "anna")
    await account.exchange()
    return Native(gateway, demo, account.access_token)


SCENES = {
    "Hello": ["text"],
    "/scene reasoning": ["thinking", "text"],
    "/scene commentary": ["text", "text"],
    "/scene refusal": ["text"],
    "/scene image": ["text", "text"],
}


@pytest.mark.parametrize("scene", SCENES)
async def test_12_every_scene_is_what_the_strictest_reader_takes(
    native: Native, scene: str
) -> None:
    """A8 11 to 15, 25: and the whole reply is the same."""
    told = await native.read(scene, thinking=ADAPTIVE)
    assert told.kinds == SCENES[scene]
    assert told.stop["stop_reason"] == ("refusal" if "refusal" in scene else "end_turn")
    if "image" not in scene:
        whole = (await native.ask(scene, thinking=ADAPTIVE)).json
        texts = [block.get("text") for block in whole["content"]]
        assert texts == [block.get("text") for block in told.content]
        assert whole["stop_reason"] == told.stop["stop_reason"]


async def test_5_each_word_stands_at_its_place(native: Native) -> None:
    messages = [
        {"role": "user", "content": "first"},
        {"role": "system", "content": "told", "output_config": {"effort": "low"}},
        {"role": "assistant", "content": "second"},
        {"role": "user", "content": "third"},
    ]
    await native.ask(messages=messages, system="before all")
    sent = await native.sent()
    assert sent["instructions"] == "before all"
    assert [item["role"] for item in sent["input"]] == ["user", "developer", "assistant", "user"]


async def test_10_a_call_goes_back_to_the_back_end_as_it_came(native: Native) -> None:
    """A8 10, 13, 29, 30, 32: native, with its own id, its result behind it, pictures and all."""
    told = await native.read("Add 2 and 3", tools=[ADD], thinking=ADAPTIVE)
    [use] = [block for block in told.content if block["type"] == "tool_use"]
    assert use["input"] == {"a": 2, "b": 3}
    result = {"type": "tool_result", "tool_use_id": use["id"], "content": "5", "is_error": True}
    messages = [
        {"role": "user", "content": "Add 2 and 3"},
        {"role": "assistant", "content": told.content},
        {"role": "user", "content": [{"type": "text", "text": "So?"}, result]},
    ]
    await native.ask(messages=messages, tools=[ADD], tool_choice={"type": "any"})
    sent = await native.sent()
    call, output, last = sent["input"][-3:]
    assert (call["type"], output["type"]) == ("function_call", "function_call_output")
    assert call["call_id"] == output["call_id"]
    assert use["id"] not in json.dumps(sent)
    assert (output["output"], last["content"][0]["text"]) == ("Error: 5", "So?")
    assert sent["tool_choice"] == "required"
    assert sent["tools"][0]["parameters"] == ADD["input_schema"]
    # A turn that was interrupted: an empty result is put in.
    await native.ask(messages=[*messages[:2], *HELLO], tools=[ADD])
    assert (await native.sent())["input"][-2]["output"] == ""


@pytest.mark.parametrize(
    ("choice", "sent_choice", "is_parallel"),
    [
        ({"type": "auto"}, "auto", True),
        ({"type": "none"}, "none", True),
        ({"type": "tool", "name": "add"}, {"type": "function", "name": "add"}, True),
        ({"type": "any", "disable_parallel_tool_use": True}, "required", False),
    ],
)
async def test_32_a_choice_is_the_back_ends_own(
    native: Native, choice: dict[str, Any], sent_choice: Any, is_parallel: bool
) -> None:
    await native.ask("Hello", tools=[ADD], tool_choice=choice)
    sent = await native.sent()
    assert (sent["tool_choice"], sent["parallel_tool_calls"]) == (sent_choice, is_parallel)


async def test_28_thoughts_go_back_to_their_account_only(native: Native) -> None:
    """A8 28: sealed for the same account; left out for another one, and with a foreign signature."""
    told = await native.read("/scene reasoning", thinking=ADAPTIVE)
    thought, text = told.content
    assert thought["thinking"]
    messages = [*HELLO, {"role": "assistant", "content": [thought, text]}, *HELLO]
    await native.ask(messages=messages)
    [sealed] = [item for item in (await native.sent())["input"] if item["type"] == "reasoning"]
    assert sealed["encrypted_content"]
    assert thought["thinking"] not in json.dumps(await native.sent())
    foreign = {**thought, "signature": "EqQBCkYIBxgC"}
    await native.ask(messages=[*HELLO, {"role": "assistant", "content": [foreign, text]}, *HELLO])
    assert "reasoning" not in [item["type"] for item in (await native.sent())["input"]]
    other = CodexClient(native.gateway.session, native.demo, "berta")
    await other.exchange()
    theirs = Native(native.gateway, native.demo, other.access_token)
    assert (await theirs.ask(messages=messages)).status == 200
    assert "reasoning" not in [item["type"] for item in (await native.sent())["input"]]


@pytest.mark.parametrize(
    ("thinking", "kinds", "has_words"),
    [
        (None, ["text"], False),
        ({"type": "disabled"}, ["text"], False),
        ({"type": "adaptive", "display": "omitted"}, ["thinking", "text"], False),
        ({"type": "enabled", "budget_tokens": 31_999}, ["thinking", "text"], True),
    ],
)
async def test_27_thoughts_are_shown_when_asked_for(
    native: Native, thinking: dict[str, Any] | None, kinds: list[str], has_words: bool
) -> None:
    told = await native.read("/scene reasoning", thinking=thinking)
    assert told.kinds == kinds
    if "thinking" in kinds:
        assert bool(told.content[0]["thinking"]) is has_words
        assert len(told.content[0]["signature"]) > 40


@pytest.mark.parametrize(
    ("body", "effort"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "low"),
        ({"thinking": {"type": "enabled", "budget_tokens": 10_000}}, "medium"),
        ({"thinking": {"type": "enabled", "budget_tokens": 31_999}}, "high"),
        ({"thinking": ADAPTIVE, "output_config": {"effort": "xhigh"}}, "xhigh"),
        ({"thinking": ADAPTIVE}, "medium"),
        ({"thinking": {"type": "disabled"}}, "low"),
    ],
)
async def test_effort_is_what_was_asked_for(
    native: Native, body: dict[str, Any], effort: str
) -> None:
    """A7.2; the lowest that the model has stands for none."""
    await native.ask("Hello", **body)
    assert (await native.sent())["reasoning"]["effort"] == effort


async def test_16_cached_tokens_are_no_part_of_the_input(native: Native) -> None:
    body = {"system": "Be brief. " * 500, "metadata": {"user_id": '{"session_id": "secret"}'}}
    first = (await native.ask("Hello", **body)).json["usage"]
    key = (await native.sent())["prompt_cache_key"]
    second = (await native.ask("Hello", **body)).json["usage"]
    assert second["cache_read_input_tokens"] > 0
    assert sum(first[name] for name in first if "input" in name) == sum(
        second[name] for name in second if "input" in name
    )
    sent = await native.sent()
    assert sent["prompt_cache_key"] == key
    assert "secret" not in json.dumps(sent)


async def test_33_a_format_is_the_back_ends_own(native: Native) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "title": "Trip"}
    wanted = {"format": {"type": "json_schema", "schema": schema}}
    told = await native.read("A trip to Rome", output_config=wanted)
    assert told.kinds == ["text"]
    json.loads(told.text)
    assert (await native.sent())["text"]["format"]["schema"] == schema


async def test_34_a_search_has_its_links_and_its_count(native: Native) -> None:
    search = {
        "type": "web_search_20250305",
        "name": "web_search",
        "allowed_domains": ["a.example"],
    }
    choice = {"type": "tool", "name": "web_search"}
    told = await native.read("search for boats", tools=[search], tool_choice=choice)
    sent = await native.sent()
    assert sent["tools"] == [{"type": "web_search", "filters": {"allowed_domains": ["a.example"]}}]
    assert sent["tool_choice"] == {"type": "web_search"}
    assert sorted(told.kinds) == ["server_tool_use", "text", "web_search_tool_result"]
    assert told.usage["server_tool_use"]["web_search_requests"] >= 1


FAULTS = {
    "/fault limit 3600": (429, "rate_limit_error", True),
    "/fault 402": (429, "rate_limit_error", True),
    "/fault not-included": (403, "permission_error", True),
    "/fault 503:slow_down": (529, "overloaded_error", False),
    "/fault failed:server_is_overloaded 0": (529, "overloaded_error", False),
    "/fault failed:context_length_exceeded 0": (400, "invalid_request_error", True),
    "/fault revoked": (401, "authentication_error", True),
}


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("fault", FAULTS)
async def test_18_a_failure_before_the_start_has_its_status(
    native: Native, fault: str, is_stream: bool
) -> None:
    """A8 2, 18, 22, 23, 24: and costs one turn."""
    status, kind, is_vain = FAULTS[fault]
    failed = await native.ask(f"Hello {fault}", stream=is_stream)
    assert (failed.status, failed.json["error"]["type"]) == (status, kind), failed.body
    assert (failed.headers.get("x-should-retry") == "false") is is_vain
    assert failed.json["request_id"] == failed.headers["request-id"]
    assert await native.turns() == 1
    if "context" in fault:
        message = failed.json["error"]["message"]
        tokens, most = (int(word) for word in message.split()[4:9] if word.isdigit())
        assert message.startswith("prompt is too long: ")
        assert tokens > most > 128_000  # the model's own window


@pytest.mark.parametrize(
    "fault", ["/fault cut 2", "/fault close 2", "/fault failed:server_error 2"]
)
async def test_17_a_cut_is_an_error_and_never_an_end(native: Native, fault: str) -> None:
    told = await native.read(f"Hello {fault}")
    assert told.error is not None
    assert told.error["error"]["type"] == "api_error"
    assert told.text


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("code", ["cyber_policy", "invalid_prompt"])
async def test_23_a_refusal_is_an_answer_and_one_turn(
    native: Native, code: str, is_stream: bool
) -> None:
    answered = await native.ask(f"Hello /fault failed:{code} 0", stream=is_stream)
    assert answered.status == 200, answered.body
    message = Read(answered.body).whole if is_stream else answered.json
    assert message["stop_reason"] == "refusal"
    assert message["content"][0]["text"] == message["stop_details"]["explanation"]
    assert await native.turns() == 1


async def test_38_names_stand_for_the_models_of_the_account(native: Native) -> None:
    headers = {**native.key, "anthropic-version": "2023-06-01"}
    url = f"{native.gateway.url}/v1/models"
    async with native.gateway.session.get(url, headers=headers) as response:
        listed = [model["id"] for model in (await response.json())["data"]]
    assert listed[:4] == ["claude-opus", "claude-sonnet", "claude-haiku", "gpt-6-sol"]
    answered = await native.ask("Hello", model="claude-opus-5")
    assert answered.json["model"] == "claude-opus-5"
    assert answered.headers["x-upstream-model"].startswith("gpt-6-sol")
    assert "x-usage-estimated" not in answered.headers
