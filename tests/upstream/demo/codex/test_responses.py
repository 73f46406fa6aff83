"""A turn's headers, usage and session, and compact, over a real socket."""

from typing import Any

import pytest

from tests.upstream.demo.codex.client import (
    RESPONSES,
    CodexClient,
    body_of,
    function,
    output,
    user,
)
from upstream.demo.codex.accounts import Caller
from upstream.demo.codex.responses import KEPT_PREFIXES, TURN_STATE, Prefixes
from upstream.demo.ground.options import DemoOptions

CALLER = Caller("acc", "plus", 1)


async def test_a_turn_has_the_headers_of_the_back_end(anna: CodexClient) -> None:
    headers = (await anna.ask("hello")).headers
    assert headers["openai-model"] == "gpt-6-sol"
    assert headers["x-request-id"] == headers["x-oai-request-id"]
    assert {"cf-ray", "x-reasoning-included", "x-models-etag", TURN_STATE} <= {
        name.lower() for name in headers
    }
    assert "Content-Type" not in headers


async def test_a_response_tells_what_was_asked(anna: CodexClient) -> None:
    answer = await anna.ask("hello", service_tier="priority", prompt_cache_key="k")
    response = answer.last["response"]
    assert response["service_tier"] == "priority"
    assert (response["prompt_cache_key"], response["store"]) == ("k", False)
    assert {one["response"]["id"] for one in answer.events if "response" in one} == {response["id"]}


async def test_usage_is_of_words(anna: CodexClient) -> None:
    usage = (await anna.ask("three words here")).usage
    assert usage["input_tokens"] == len(["Be", "brief", "three", "words", "here"])
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    picture = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 4000}
    assert (await anna.ask("", input=[user("x", picture)])).usage["input_tokens"] == 3


async def test_an_equal_beginning_is_cached(anna: CodexClient) -> None:
    tools = [function("a"), function("b")]
    items = [user("one two"), {"role": "assistant", "content": "three"}, user("four")]

    async def cached(**fields: Any) -> int:
        answer = await anna.ask("", prompt_cache_key="k", **fields)
        return int(answer.usage["input_tokens_details"]["cached_tokens"])

    assert await cached(input=items[:1], tools=tools) == 0
    whole = await cached(input=items, tools=tools)
    assert whole > 0
    assert await cached(input=items, tools=tools) == whole + len(["three", "four"])
    assert await cached(input=items, tools=tools[::-1]) == 0, "the order of tools counts"


def test_cached_prompts_are_bounded() -> None:
    prefixes = Prefixes()
    for number in range(KEPT_PREFIXES + 1):
        prefixes.count(CALLER, body_of("x", prompt_cache_key=str(number)))
    assert len(prefixes._last) == KEPT_PREFIXES


async def test_a_turn_state_is_for_the_outputs_of_its_calls(anna: CodexClient) -> None:
    first = await anna.ask("/scene tool", tools=[function("f")])
    state = anna.headers(**{TURN_STATE: first.headers[TURN_STATE]})
    outputs = [one for call in first.items for one in output(call, "x")]
    going_on = body_of("", input=[user("/scene tool"), *outputs], tools=[function("f")])
    assert (await anna.send("POST", RESPONSES, going_on, state)).status == 200
    assert (await anna.stats())["complaints"] == {}
    await anna.send("POST", RESPONSES, body_of("something else"), state)
    assert (await anna.stats())["complaints"] == {"foreign_turn_state": 1}


@pytest.mark.parametrize(
    ("headers", "complaint"),
    [
        ({"session_id": "other"}, "session_is_not_cache_key"),
        ({"session-id": "k", "session_id": "k"}, None),
        ({"Accept": "*/*"}, "accept"),
    ],
)
async def test_a_session_is_the_cache_key(
    anna: CodexClient, headers: dict[str, str], complaint: str | None
) -> None:
    body = body_of("hello", prompt_cache_key="k")
    await anna.send("POST", RESPONSES, body, anna.headers(**headers))
    assert (await anna.stats())["complaints"] == ({complaint: 1} if complaint else {})


async def test_compact_stands_for_the_talk(anna: CodexClient) -> None:
    items = [user("we like boats"), {"role": "assistant", "content": "Aye"}, user("and rivers")]
    body = {"model": "gpt-6-sol", "instructions": "Be brief.", "input": items, "tools": []}
    answer = await anna.send("POST", f"{RESPONSES}/compact", body)
    *users, compaction = answer.json["output"]
    assert users == [items[0], items[2]]
    kept = {name: compaction[name] for name in ("type", "encrypted_content")}
    later = await anna.ask("", input=[kept, user("what was it?")])
    assert "Aye" in later.text


async def test_compact_can_fail(anna: CodexClient) -> None:
    body = {"model": "gpt-6-sol", "input": [user("/fault 503")]}
    assert (await anna.send("POST", f"{RESPONSES}/compact", body)).status == 503
    await anna.ask("/fault limit")
    body = {"model": "gpt-6-sol", "input": [user("hello")]}
    assert (await anna.send("POST", f"{RESPONSES}/compact", body)).status == 429


async def test_there_is_no_websocket(anna: CodexClient) -> None:
    assert (await anna.send("GET", RESPONSES)).status == 426


class TestOtherLines:
    @pytest.fixture
    def options(self) -> DemoOptions:
        return DemoOptions(delay_seconds=0, is_crlf=True)

    async def test_lines_may_end_otherwise(self, anna: CodexClient) -> None:
        answer = await anna.ask("/scene data-only")
        assert answer.raw.count(b"\n") == answer.raw.count(b"\r\n") > 0
        assert b"event:" not in answer.raw
