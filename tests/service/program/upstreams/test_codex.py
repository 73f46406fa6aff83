"""The whole gateway before the demo's Codex: what each endpoint does with such an account."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.conftest import StartGateway
from tests.gateway import Answer, Gateway, read

TOKEN = "codex:ada-plus~1"
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
TIME = {"type": "function", "name": "get_time", "parameters": {"type": "object", "properties": {}}}
SEALED = "reasoning.encrypted_content"
pytestmark = pytest.mark.whole


class Asker:
    """Asks a gateway that has no website behind it, for one account."""

    def __init__(self, gateway: Gateway, demo: str) -> None:
        self.gateway = gateway
        self.demo = demo

    async def post(self, path: str, token: str = TOKEN, **body: Any) -> Answer:
        async with self.gateway.session.post(
            f"{self.gateway.url}{path}",
            json={"model": "gpt-4o", **body},
            headers={"Authorization": f"Bearer {token}"},
        ) as response:
            return await read(response)

    async def chat(self, text: str, **body: Any) -> Answer:
        messages = [{"role": "user", "content": text}]
        return await self.post("/v1/chat/completions", messages=messages, **body)

    async def message(self, text: str, **body: Any) -> Any:
        return (await self.chat(text, **body)).json["choices"][0]["message"]

    async def respond(self, given: Any, **body: Any) -> Any:
        return (await self.post("/v1/responses", input=given, **body)).json

    async def at_demo(self, path: str) -> Any:
        async with self.gateway.session.get(f"{self.demo}/demo/codex/{path}") as response:
            return await response.json()


@pytest.fixture
async def asker(demo: str, start_gateway: StartGateway) -> AsyncIterator[Asker]:
    gateway = await start_gateway(
        "none",
        codex={"base_url": f"{demo}/backend-api/codex"},
        tokens={"codex_url": f"{demo}/oauth/token", "oaifree_url": ""},
    )
    asker = Asker(gateway, demo)
    yield asker
    complaints = (await asker.at_demo("stats"))["complaints"]
    assert complaints == {}


async def test_a_chat_is_answered_with_true_usage_and_the_model_that_answered(asker) -> None:
    answer = await asker.chat("hello")
    assert "you said “hello”" in answer.text
    assert answer.headers["x-upstream-model"] == "gpt-6-sol"
    usage = answer.json["usage"]
    assert "estimated" not in usage
    assert usage["prompt_tokens_details"]["cached_tokens"] >= 0
    streamed = await asker.chat("hello", stream=True, stream_options={"include_usage": True})
    assert (streamed.text, streamed.finish) == (answer.text, "stop")
    assert streamed.events[-2]["usage"]["total_tokens"] == usage["total_tokens"]


async def test_commentary_and_reasoning_are_beside_the_answer(asker) -> None:
    message = await asker.message("/scene commentary hello")
    assert message["reasoning_content"] == "Demo: I am looking at it."
    assert message["content"].startswith("Demo answer")
    message = await asker.message("/scene reasoning hello")
    assert "I read “hello”." in message["reasoning_content"]
    only = await asker.message("/scene only-commentary")
    assert only["content"] == only["reasoning_content"]


async def test_calls_stream_as_they_come_and_their_results_go_back(asker) -> None:
    tools = [{"type": "function", "function": WEATHER}, {"type": "function", "function": TIME}]
    answer = await asker.chat("/scene tool", tools=tools, stream=True)
    assert answer.finish == "tool_calls"
    deltas = [
        made
        for event in answer.events[:-1]
        for choice in event["choices"]
        for made in choice["delta"].get("tool_calls", ())
    ]
    ids = {made["index"]: made["id"] for made in deltas if "id" in made}
    assert len(ids) == 2
    assert all(call_id.startswith("call_") for call_id in ids.values())
    assert len(deltas) > 4  # arguments come in pieces
    whole = await asker.message("/scene tool", tools=tools)
    results = [
        {"role": "tool", "tool_call_id": made["id"], "content": "12 degrees"}
        for made in whole["tool_calls"]
    ]
    asked = {"role": "user", "content": "/scene tool"}
    last = await asker.post("/v1/chat/completions", messages=[asked, whole, *results], tools=tools)
    assert "the tools said 12 degrees 12 degrees" in last.text


async def test_a_call_without_a_result_is_the_callers_to_mend(asker) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "user", "content": "go on"},
    ]
    answer = await asker.post("/v1/chat/completions", messages=messages)
    assert answer.status == 400
    assert answer.error["param"] == "messages[1].tool_calls[0]"


async def test_json_is_demanded_of_the_back_end_itself(asker) -> None:
    schema = {
        "type": "object",
        "properties": {"word": {"type": "string"}},
        "required": ["word"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": True}}
    answer = await asker.chat("hello", response_format=wanted)
    assert json.loads(answer.text).keys() == {"word"}
    body = await asker.at_demo("bodies/1")
    assert body["text"]["format"] == {
        "type": "json_schema",
        "name": "x",
        "schema": schema,
        "strict": True,
    }
    loose = {"type": "json_schema", "json_schema": {"name": "x", "schema": {}, "strict": True}}
    refused = await asker.chat("hello", response_format=loose)
    assert refused.error["code"] == "invalid_json_schema"
    assert refused.error["param"] == "response_format.json_schema.schema"


async def test_fields_act_are_cut_here_or_are_named_among_the_ignored(asker) -> None:
    answer = await asker.chat(
        "hello",
        reasoning_effort="ultra",
        verbosity="low",
        service_tier="fast",
        prompt_cache_key="k1",
        temperature=0.5,
        seed=1,
        stop=[" you"],
        max_tokens=50,
    )
    assert answer.text == "Demo answer:"
    ignored = answer.headers["x-ignored-fields"].split(", ")
    assert sorted(ignored) == ["seed", "temperature"]
    body = await asker.at_demo("bodies/1")
    assert body["reasoning"] == {"effort": "xhigh", "summary": "auto"}
    assert (body["text"], body["service_tier"]) == ({"verbosity": "low"}, "priority")
    assert body["prompt_cache_key"] == "k1"
    short = await asker.chat("hello", max_tokens=2)
    assert short.finish == "length"
    assert short.json["usage"]["estimated"] is True  # the gateway ended it, and counts itself


async def test_citations_pictures_and_refusals_have_their_places(asker) -> None:
    message = await asker.message("search for boats", web_search_options={})
    for one in message["annotations"]:
        cited = one["url_citation"]
        assert cited["url"] in message["content"][cited["start_index"] : cited["end_index"]]
    assert len(message["annotations"]) == 2
    drawn = (await asker.chat("/scene image")).json
    async with asker.gateway.session.get(drawn["x_images"][0]["url"]) as response:
        assert (response.status, response.content_type) == (200, "image/png")
    refusal = await asker.message("/scene refusal")
    assert (refusal["content"], refusal["refusal"]) == (None, "Demo: I can't help with that.")


async def test_a_response_has_the_items_as_they_came(asker) -> None:
    first = await asker.respond(
        "/scene reasoning hello", reasoning={"summary": "auto"}, include=[SEALED]
    )
    reasoning, message = first["output"]
    assert reasoning["encrypted_content"].startswith("codex-sealed:")
    assert [part["type"] for part in reasoning["summary"]] == ["summary_text"] * 2
    assert message["phase"] == "final_answer"
    assert "estimated" not in first["usage"]
    async with asker.gateway.session.get(
        f"{asker.gateway.url}/v1/responses/{first['id']}",
        headers={"Authorization": f"Bearer {TOKEN}"},
    ) as response:
        kept = await response.json()
    assert "encrypted_content" not in kept["output"][0]
    second = await asker.respond("And now?", previous_response_id=first["id"])
    assert "Our talk began with “hello”" in second["output"][0]["content"][0]["text"]
    one, other = await asker.at_demo("bodies/2"), await asker.at_demo("bodies/1")
    if one["input"][-1] == other["input"][-1] or len(one["input"]) > len(other["input"]):
        one, other = other, one
    sealed = [item for item in other["input"] if item["type"] == "reasoning"]
    assert sealed[0]["encrypted_content"] == reasoning["encrypted_content"].split(":", 2)[2]
    assert one["prompt_cache_key"] == other["prompt_cache_key"]
    assert not any("id" in item for item in other["input"])


async def test_a_response_calls_functions_custom_tools_and_searches(asker) -> None:
    called = await asker.respond("/scene tool", tools=[WEATHER, TIME])
    results = [
        {"type": "function_call_output", "call_id": item["call_id"], "output": "12"}
        for item in called["output"]
    ]
    told = await asker.respond(results, previous_response_id=called["id"], tools=[WEATHER, TIME])
    assert "the tools said 12 12" in told["output"][0]["content"][0]["text"]
    patched = await asker.respond("/scene patch", tools=[{"type": "custom", "name": "apply_patch"}])
    (custom,) = patched["output"]
    assert (custom["type"], custom["name"]) == ("custom_tool_call", "apply_patch")
    assert custom["input"].startswith("*** Begin Patch")
    found = await asker.respond("search for boats", tools=[{"type": "web_search_preview"}])
    search, message = found["output"]
    assert (search["type"], search["status"]) == ("web_search_call", "completed")
    assert len(message["content"][0]["annotations"]) == 2


async def test_a_picture_of_a_response_streams_and_is_seen_again(asker) -> None:
    tool = {"type": "image_generation", "partial_images": 2}
    stream = await asker.post("/v1/responses", input="draw a boat", tools=[tool], stream=True)
    kinds = [line[7:].decode() for line in stream.body.splitlines() if line.startswith(b"event: ")]
    assert kinds.count("response.image_generation_call.partial_image") == 2
    drawn = await asker.respond("draw a boat", tools=[tool])
    picture = drawn["output"][0]
    assert picture["result"].startswith("iVBOR")
    await asker.respond("And now?", previous_response_id=drawn["id"])
    shown = [
        part["image_url"]
        for item in (await asker.at_demo("bodies/1"))["input"]
        for part in item.get("content", ())
        if part["type"] == "input_image"
    ]
    assert shown == [f"data:image/png;base64,{picture['result']}"]


async def test_completions_and_messages_work_on_it(asker) -> None:
    answer = await asker.post("/v1/completions", prompt="hello")
    assert "you said “hello”" in answer.json["choices"][0]["text"]
    messages = [{"role": "user", "content": "hello"}]
    answer = await asker.post("/v1/messages", messages=messages, max_tokens=100)
    assert "you said “hello”" in answer.json["content"][-1]["text"]


async def test_models_are_those_of_the_account(asker) -> None:
    async with asker.gateway.session.get(
        f"{asker.gateway.url}/v1/models", headers={"Authorization": f"Bearer {TOKEN}"}
    ) as response:
        listed = {model["id"]: model for model in (await response.json())["data"]}
    assert listed["gpt-6-sol"]["context_window"] > 0
    assert "gpt-image-2" in listed
    assert "gpt-4o" not in listed
    unknown = await asker.chat("hello", model="gpt-6-soll")
    assert (unknown.status, unknown.error["code"]) == (404, "model_not_found")


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("/fault 400:NAME", 400, None),
        ("/fault revoked", 401, "invalid_api_key"),
        ("/fault 402", 429, "rate_limit_exceeded"),
        ("/fault 403", 403, "permission_error"),
        ("/fault 413", 400, "context_length_exceeded"),
        ("/fault limit 90", 429, "rate_limit_exceeded"),
        ("/fault not-included", 403, "usage_not_included"),
        ("/fault 503", 503, "server_is_overloaded"),
        ("/fault overloaded-in-200", 503, "server_is_overloaded"),
        ("/fault error:context_length_exceeded 0", 400, "context_length_exceeded"),
        ("/fault error-flat:invalid_prompt 0", 400, "invalid_prompt"),
        ("/fault cloudflare", 502, "upstream_error"),
        ("/fault html200", 502, "upstream_error"),
        ("/fault empty-404", 502, "upstream_error"),
        ("/fault error200", 502, None),
        ("/fault cut 0", 502, "upstream_cut"),
        ("/scene empty", 502, "empty_response"),
    ],
)
async def test_each_fault_has_its_status_and_hides_what_is_not_the_callers(
    asker, fault, status, code
) -> None:
    answer = await asker.chat(fault)
    assert answer.status == status
    assert code in (None, answer.error["code"])
    assert "<html" not in answer.error["message"].lower()
    told = answer.headers.get("x-should-retry")
    assert (told == "false") == (fault in ("/fault 402", "/fault limit 90", "/fault not-included"))


async def test_an_account_rests_after_its_limit_and_the_back_end_is_left_alone(asker) -> None:
    await asker.chat("/fault limit-in-200 90")
    answer = await asker.chat("hello", stream=True)
    assert answer.status == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 90
    assert (await asker.at_demo("stats"))["asked_while_resting"] == 0
    drawn = await asker.respond(
        "draw a boat",
        tools=[{"type": "image_generation"}],
        tool_choice={"type": "image_generation"},
    )
    assert drawn["output"][0]["type"] == "image_generation_call"
    other = await asker.chat("hello", token="codex:eve-pro~1")
    assert other.status == 200


async def test_the_windows_of_the_account_are_told_to_who_may_see_them(asker) -> None:
    for text in ("hello", "/fault limit 90"):
        await asker.chat(text)
    async with asker.gateway.session.get(
        f"{asker.gateway.url}/v1/usage", headers={"Authorization": f"Bearer {TOKEN}"}
    ) as response:
        usage = await response.json()
    windows = {one["name"]: one for one in usage["windows"]}
    assert windows.keys() == {"primary", "secondary", "image_gen:primary"}
    assert (usage["plan"], windows["primary"]["used_percent"]) == ("plus", 100.0)
    assert windows["secondary"]["window_minutes"] == 7 * 24 * 60
    assert 0 < usage["resting"]["text"] - time.time() <= 91
    assert usage["resting"]["pictures"] is None
    async with asker.gateway.session.get(f"{asker.gateway.url}/readyz?verbose") as response:
        assert (await response.json())["accounts"] == [{"windows": usage["windows"]}]
    asked = (await asker.at_demo("stats"))["by_status"]
    assert asked["/backend-api/wham/usage 200"] == 1


async def test_a_token_that_ended_is_renewed_and_a_spent_one_is_told(asker) -> None:
    assert (await asker.chat("/fault expired hello")).status == 200
    answer = await asker.chat("hello", token="codex:ada-reused~9")
    assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")


async def test_what_only_the_website_has_is_not_offered(asker) -> None:
    answer = await asker.chat("hello", conversation_id="c1")
    assert (answer.status, answer.error["code"]) == (404, "not_offered_by_account")
    answer = await asker.post("/v1/audio/speech", input="Hi", voice="alloy")
    assert (answer.status, answer.error["code"]) == (404, "not_offered_by_account")
    answer = await asker.chat("hello", model="gpt-4-gizmo-g-Abc")
    assert (answer.status, answer.error["code"]) == (404, "not_offered_by_account")


async def test_a_gateway_without_the_website_takes_no_other_credential(asker) -> None:
    answer = await asker.chat("hello", token="a-refresh-token-of-the-website")
    assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")
    assert "codex:<token>" in answer.error["message"]


async def test_the_kind_of_upstream_is_counted(asker) -> None:
    await asker.chat("hello")
    assert await asker.gateway.counts("gateway_turns_total", "upstream") == {"codex": 1}
