"""Every scenario of codex 8, over real sockets: chat and responses, streamed and whole.

What an answer has to be is read from the demo itself: the body that the gateway sent is sent once
more without the gateway, and its raw events are the measure. Scenes are deterministic but for ids.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from tests.gateway import Answer, Gateway, read, running_demo, running_gateway
from tests.response_events import check_response, checked
from tests.upstream.demo.codex.client import RESPONSES, CodexClient, function
from upstream.demo.codex.scenes import SCENES

TOOLS = [
    function("find", query={"type": "string"}),
    function("count", number={"type": "integer"}),
]
CUSTOM = [{"type": "custom", "name": "apply_patch", "description": "Patches."}]
PRIVATE = (b"codex.rate_limits", b"codex.private", b"keepalive", b"responsesapi.", b"safety_buff")
COMBINATIONS = [(dialect, streamed) for dialect in ("chat", "responses") for streamed in (0, 1)]
LOOK_SECONDS = 0.02


class Party:
    """A gateway before a demo, and an account of Codex's login there."""

    def __init__(self, gateway: Gateway, account: CodexClient) -> None:
        self.gateway = gateway
        self.account = account

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer codex:{self.account.access_token}"}

    async def sign_in(self, name: str) -> None:
        """Go on as another account."""
        self.account = CodexClient(self.gateway.session, self.account.base, name)
        await self.account.exchange()

    def post(self, dialect: str, text: str, **body: Any) -> Any:
        """Ask, as a context whose value is the response with its body unread."""
        path, given = "responses", {"input": text}
        if dialect == "chat":
            messages = [{"role": "user", "content": text}]
            path, given = "chat/completions", {"messages": messages}
            nested = [_nested(tool) for tool in body.pop("tools", ())]
            body |= {"tools": nested} if nested else {}
            if body.get("stream"):
                body["stream_options"] = {"include_usage": True}
        asked = {"model": "gpt-6-sol", **given, **body}
        return self.gateway.session.post(
            f"{self.gateway.url}/v1/{path}", json=asked, headers=self.headers
        )

    async def ask(self, dialect: str, text: str, **body: Any) -> Answer:
        async with self.post(dialect, text, **body) as response:
            return await read(response)

    async def sent(self) -> dict[str, Any]:
        """Return the body of the latest turn that reached the demo."""
        async with self.gateway.session.get(f"{self.account.base}/demo/codex/bodies/1") as body:
            assert body.headers["X-Demo-Path"] == RESPONSES
            found: dict[str, Any] = await body.json()
        return found

    async def stats(self) -> dict[str, Any]:
        return await self.account.stats()

    async def has_streams(self, number: int, looks: int) -> None:
        """Look again and again until the demo has so many open streams, at most that often."""
        for _ in range(looks):
            if (await self.stats())["streams_open"] == number:
                return
            await asyncio.sleep(LOOK_SECONDS)
        raise AssertionError(f"there are not {number} open streams")


@asynccontextmanager
async def party_at(folder: Path, **upstream: Any) -> AsyncIterator[Party]:
    async with running_demo() as demo:
        settings = {
            "codex": {"base_url": f"{demo}/backend-api/codex"},
            "upstream": {"retries": 0, **upstream},
            "tokens": {"codex_url": f"{demo}/oauth/token"},
        }
        async with running_gateway(demo, folder, **settings) as gateway:
            account = CodexClient(gateway.session, demo, "anna")
            await account.exchange()
            yield Party(gateway, account)


@pytest.fixture
async def party(tmp_path: Path) -> AsyncIterator[Party]:
    async with party_at(tmp_path) as running:
        yield running


def _nested(tool: dict[str, Any]) -> dict[str, Any]:
    """Return a tool in the form of chats; only functions have another one there."""
    return {"type": "function", "function": tool} if tool["type"] == "function" else tool


class Meaning(Struct):
    """What an answer says, in whatever dialect."""

    final: str = ""
    commentary: str = ""
    summary: str = ""
    refusal: str = ""
    calls: list[tuple[str, str]] = []
    cited: list[tuple[str, str]] = []  # the cited words, and the address
    used: list[int] = []  # prompt, answer, of it reasoning
    kinds: list[str] = []  # of the output's items
    pictures: int = 0


def joined(texts: Iterator[str]) -> str:
    return "\n\n".join(text for text in texts if text)


def of_items(items: list[dict[str, Any]], usage: dict[str, Any]) -> Meaning:
    """Return the meaning of an output, the demo's own or that of a response."""
    messages = [item for item in items if item["type"] == "message"]
    parts = [(one.get("phase"), part) for one in messages for part in one["content"]]
    calls = [item for item in items if item["type"] in ("function_call", "custom_tool_call")]
    thoughts = [one for item in items for one in item.get("summary") or ()]
    return Meaning(
        final=joined(part.get("text", "") for phase, part in parts if phase != "commentary"),
        commentary=joined(part.get("text", "") for phase, part in parts if phase == "commentary"),
        summary=joined(one["text"] for one in thoughts),
        refusal=joined(part.get("refusal", "") for _, part in parts),
        calls=[(one["name"], one.get("arguments", one.get("input"))) for one in calls],
        cited=[
            (part["text"][one["start_index"] : one["end_index"]], one["url"])
            for _, part in parts
            for one in part.get("annotations", ())
        ],
        used=[
            usage["input_tokens"],
            usage["output_tokens"],
            usage["output_tokens_details"]["reasoning_tokens"],
        ],
        kinds=[item["type"] for item in items],
        pictures=sum(item["type"] == "image_generation_call" for item in items),
    )


def of_response(answer: Answer) -> tuple[Meaning, str]:
    """Return the meaning of a response, and its status."""
    response = checked(answer.body)[-1]["response"] if answer.is_stream else answer.json
    check_response(response)
    assert "estimated" not in response["usage"]
    assert response["service_tier"] == "default"
    return of_items(response["output"], response["usage"]), str(response["status"])


def of_chat(answer: Answer) -> tuple[Meaning, str]:
    """Return the meaning of a chat completion, and its finish reason."""
    message, reason, usage = _whole(answer) if not answer.is_stream else _summed(answer)
    assert "estimated" not in usage
    content = message.get("content") or ""
    calls = [call["function"] for call in message.get("tool_calls") or ()]
    assert all(call["id"].startswith("call_") for call in message.get("tool_calls") or ())
    cited = [one["url_citation"] for one in message.get("annotations") or ()]
    return Meaning(
        final=content,
        summary=message.get("reasoning_content") or "",
        refusal=message.get("refusal") or "",
        calls=[(call["name"], call["arguments"]) for call in calls],
        cited=[(content[one["start_index"] : one["end_index"]], one["url"]) for one in cited],
        used=[
            usage["prompt_tokens"],
            usage["completion_tokens"],
            usage["completion_tokens_details"]["reasoning_tokens"],
        ],
    ), reason


def _whole(answer: Answer) -> tuple[dict[str, Any], str, dict[str, Any]]:
    [choice] = answer.json["choices"]
    assert answer.json["service_tier"] == "default"
    return choice["message"], choice["finish_reason"], answer.json["usage"]


def _summed(answer: Answer) -> tuple[dict[str, Any], str, dict[str, Any]]:
    *chunks, last = answer.events
    assert last == "[DONE]"
    message: dict[str, Any] = {}
    calls: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        for choice in chunk["choices"]:
            delta = choice["delta"]
            for name in ("content", "reasoning_content", "refusal"):
                message[name] = message.get(name, "") + (delta.get(name) or "")
            message["annotations"] = message.get("annotations", []) + delta.get("annotations", [])
            for piece in delta.get("tool_calls", ()):
                call = calls.setdefault(piece["index"], {"function": {"name": "", "arguments": ""}})
                call |= {"id": piece["id"]} if "id" in piece else {}
                for name, text in piece["function"].items():
                    call["function"][name] += text
    reasons = [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]]
    message["tool_calls"] = [calls[index] for index in sorted(calls)]
    return message, next(filter(None, reasons)), chunks[-1]["usage"]


async def measure_of(party: Party) -> Meaning:
    """Return what the demo itself says to the body that the gateway sent last."""
    direct = await party.account.send("POST", RESPONSES, await party.sent())
    assert direct.status == 200, direct.raw
    return of_items(direct.items, direct.usage)


def as_chat(measure: Meaning) -> Meaning:
    """Return how a chat tells it: thoughts and commentary are one, and items have no place."""
    thought = joined(iter((measure.summary, measure.commentary)))
    return Meaning(
        final=measure.final or ("" if measure.calls or measure.refusal else measure.commentary),
        summary=thought,
        refusal=measure.refusal,
        calls=measure.calls,
        cited=measure.cited,
        used=measure.used,
    )


# The end of each scene in a chat and as a response; the empty one fails.
ENDS = {"tool": "tool_calls", "patch": "tool_calls", "refusal": "stop"}
EXTRAS: dict[str, dict[str, Any]] = {
    "tool": {"tools": TOOLS},
    "patch": {"tools": CUSTOM},
    "search": {"tools": [{"type": "web_search"}]},
    "image": {"tools": [{"type": "image_generation", "partial_images": 2}]},
}
SCENES_WITH_AN_ANSWER = [name for name in SCENES if name not in ("empty", "agent")]


@pytest.mark.parametrize("scene", SCENES_WITH_AN_ANSWER)
async def test_a_scene_is_told_in_each_dialect_as_it_was_played(party: Party, scene: str) -> None:
    rounds = 0
    for dialect, streamed in COMBINATIONS:
        extras = dict(EXTRAS.get(scene, {}))
        if dialect == "chat":
            # A chat has no custom tools, and its own field for searches.
            extras = {"web_search_options": {}} if scene == "search" else extras
            extras = {} if scene == "patch" else extras
        else:
            extras["reasoning"] = {"summary": "auto"}
        answer = await party.ask(dialect, f"/scene {scene}", stream=bool(streamed), **extras)
        assert answer.status == 200, answer.body
        assert answer.is_stream is bool(streamed)
        assert not [word for word in PRIVATE if word in answer.body]
        measure = await measure_of(party)
        rounds += 1
        if dialect == "responses":
            told, status = of_response(answer)
            assert (told, status) == (measure, "completed")
            continue
        told, reason = of_chat(answer)
        if scene == "image":
            assert "/images/" in told.final
            told.final = told.final.rpartition("\n")[2]
            measure.final = measure.final.rpartition("\n")[2]
        assert told == as_chat(measure)
        expected = ENDS.get(scene, "stop") if measure.calls else "stop"
        assert reason == expected
    seen = await party.stats()
    assert (seen["complaints"], seen["streams_open"]) == ({}, 0)
    assert seen["by_status"][f"{RESPONSES} 200"] == 2 * rounds
    assert sum(f"{RESPONSES} 4" in key for key in seen["by_status"]) == 0
    assert await party.gateway.outcomes() == {"complete": rounds}


async def test_what_is_sent_is_what_the_back_end_takes_and_nothing_else(party: Party) -> None:
    for dialect, streamed in COMBINATIONS:
        limit = {"max_tokens" if dialect == "chat" else "max_output_tokens": 500}
        extras = {"temperature": 0.5, "top_p": 1, "user": "me", "metadata": {"a": "b"}, **limit}
        answer = await party.ask(
            dialect, "Hello", tools=TOOLS, stream=bool(streamed), service_tier="fast", **extras
        )
        assert answer.status == 200, answer.body
        sent = await party.sent()
        assert (sent["store"], sent["stream"], sent["service_tier"]) == (False, True, "priority")
        assert isinstance(sent["input"], list)
        assert not extras.keys() & sent.keys()
        assert [tool["name"] for tool in sent["tools"]] == ["find", "count"]
        assert "system" not in json.dumps(sent["input"])
        assert not any("id" in item for item in sent["input"])
    seen = await party.stats()
    assert seen["complaints"] == {}
    turn = next(one for one in reversed(seen["requests"]) if one["path"] == RESPONSES)
    assert turn["headers"]["originator"] == "backend-to-v1"
    assert turn["headers"]["user-agent"].startswith("backend-to-v1/")
    assert turn["headers"]["chatgpt-account-id"]


async def test_a_lite_model_is_asked_in_its_own_form(party: Party) -> None:
    for dialect, streamed in COMBINATIONS:
        for extras in ({}, {"tools": TOOLS}):
            body = {"stream": bool(streamed), "model": "gpt-5.6-sol", **extras}
            answer = await party.ask(dialect, "/scene tool" if extras else "Hello", **body)
            assert answer.status == 200, answer.body
            sent = await party.sent()
            assert not {"tools", "instructions"} & sent.keys()
            assert (sent["input"][0]["type"] == "additional_tools") is bool(extras)
    assert (await party.stats())["complaints"] == {}


# --- ends that are no success ---------------------------------------------------------


class Fault(Struct, frozen=True):
    """What a fault looks like: before anything was told a status, after that an event."""

    status: int
    outcome: str
    code: str | None = None
    is_final: bool = False


BUSY = Fault(503, "refused", "server_is_overloaded")
CUT = Fault(502, "cut", "upstream_cut")
PAGE = Fault(502, "refused", "upstream_error")
FAULTS = {
    "failed:context_length_exceeded": Fault(400, "failed", "context_length_exceeded"),
    "failed:invalid_prompt": Fault(400, "failed", "invalid_prompt"),
    "failed:cyber_policy": Fault(400, "failed", "cyber_policy"),
    "failed:insufficient_quota": Fault(429, "failed", "rate_limit_exceeded", is_final=True),
    "failed:usage_not_included": Fault(403, "failed", "usage_not_included", is_final=True),
    "failed:rate_limit_exceeded": Fault(429, "failed", "rate_limit_exceeded"),
    "failed:slow_down": Fault(503, "failed", "slow_down"),
    "failed:server_error": Fault(502, "failed", "server_error"),
    "failed:402": Fault(429, "failed", "rate_limit_exceeded", is_final=True),
    "error": Fault(502, "failed", "server_error"),
    "error-flat": Fault(502, "failed", "server_error"),
    "overloaded-in-200": Fault(503, "failed", "server_is_overloaded"),
    "limit-in-200": Fault(429, "failed", "rate_limit_exceeded", is_final=True),
    "limit": Fault(429, "refused", "rate_limit_exceeded", is_final=True),
    "402": Fault(429, "refused", "rate_limit_exceeded", is_final=True),
    "not-included": Fault(403, "refused", "usage_not_included", is_final=True),
    "expired": Fault(401, "refused", "invalid_api_key"),
    "revoked": Fault(401, "refused", "invalid_api_key"),
    "403": Fault(403, "refused"),
    "413": Fault(400, "refused", "context_length_exceeded"),
    "429": Fault(429, "refused", "rate_limit_exceeded"),
    "503": BUSY,
    "503:slow_down": Fault(503, "refused", "slow_down"),
    "capacity": Fault(503, "refused"),
    "500": Fault(502, "refused", "server_error"),
    "400": Fault(400, "refused", "unknown_parameter"),
    "detail-object": Fault(400, "refused", "demo_refusal"),
    "cloudflare": PAGE,
    "html200": PAGE,
    "empty-404": PAGE,
    "error200": Fault(502, "refused", "server_error"),
    "cut": CUT,
    "close": CUT,
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_has_its_status_and_its_words_in_each_dialect(
    party: Party, fault: str
) -> None:
    expected = FAULTS[fault]
    for dialect, streamed in COMBINATIONS:
        await party.sign_in(f"{dialect}{streamed}")  # a limit is of one account
        answer = await party.ask(dialect, f"Hello /fault {fault}", stream=bool(streamed))
        assert (answer.status, answer.is_stream) == (expected.status, False), answer.body
        error = answer.json["error"]
        assert error["code"] == expected.code or expected.code is None
        assert error["message"]
        assert b"<html" not in answer.body
        is_final = answer.headers.get("x-should-retry") == "false"
        assert is_final is expected.is_final or expected.status < 429
    seen = await party.stats()
    assert (seen["complaints"], seen["streams_open"]) == ({}, 0)
    turns = [count for path, count in seen["by_status"].items() if path.startswith(RESPONSES)]
    assert turns == [len(COMBINATIONS)]  # each was sent once
    assert await party.gateway.outcomes() == {expected.outcome: len(COMBINATIONS)}


BROKEN = ["failed:slow_down", "error", "error-flat", "overloaded-in-200", "limit-in-200", "cut"]


@pytest.mark.parametrize("fault", BROKEN)
async def test_what_was_told_before_a_fault_stays_told(party: Party, fault: str) -> None:
    for dialect, streamed in COMBINATIONS:
        await party.sign_in(f"{dialect}{streamed}")
        answer = await party.ask(dialect, f"Hello /fault {fault} 3", stream=bool(streamed))
        expected = FAULTS[fault]
        if not streamed:
            assert answer.status == expected.status
            assert answer.json["error"]["partial"].startswith("Demo")
            continue
        assert answer.status == 200
        assert b"Demo" in answer.body
        if dialect == "responses":
            events = checked(answer.body)
            assert events[-2]["response"]["status"] == "failed"
            assert events[-2]["response"]["output"][0]["status"] == "incomplete"
            assert events[-1]["error"]["code"] == expected.code
        else:
            assert answer.events[-1]["error"]["code"] == expected.code
    seen = await party.stats()
    assert (seen["complaints"], seen["streams_open"]) == ({}, 0)
    assert await party.gateway.outcomes() == {FAULTS[fault].outcome: len(COMBINATIONS)}


@pytest.mark.parametrize(
    ("fault", "reason", "outcome"),
    [
        ("incomplete 3", "length", "length"),
        ("incomplete:content_filter 3", "content_filter", "filtered"),
    ],
)
async def test_an_incomplete_answer_says_why(
    party: Party, fault: str, reason: str, outcome: str
) -> None:
    for dialect, streamed in COMBINATIONS:
        answer = await party.ask(dialect, f"Hello /fault {fault}", stream=bool(streamed))
        assert answer.status == 200, answer.body
        if dialect == "chat":
            assert of_chat(answer)[1] == reason
            continue
        last = checked(answer.body)[-1]["response"] if streamed else answer.json
        assert last["status"] == "incomplete"
        why = "max_output_tokens" if reason == "length" else reason
        assert last["incomplete_details"] == {"reason": why}
    assert await party.gateway.outcomes() == {outcome: len(COMBINATIONS)}


async def test_an_answer_with_nothing_in_it_is_a_failure(party: Party) -> None:
    for dialect, streamed in COMBINATIONS:
        answer = await party.ask(dialect, "/scene empty", stream=bool(streamed))
        assert answer.status == 502
        assert answer.json["error"]["code"] == "empty_response"
    assert await party.gateway.outcomes() == {"empty": len(COMBINATIONS)}


async def test_noise_and_silence_harm_nothing(party: Party) -> None:
    for fault in ("garbage", "silent 0.3", "slow 0.1"):
        for dialect, streamed in COMBINATIONS:
            answer = await party.ask(dialect, f"Hello /fault {fault}", stream=bool(streamed))
            assert answer.status == 200, answer.body
            assert not [word for word in PRIVATE if word in answer.body]
            told = of_chat(answer)[0] if dialect == "chat" else of_response(answer)[0]
            assert told.final.startswith("Demo answer: you said")
    assert await party.gateway.outcomes() == {"complete": 12}


async def test_silence_is_ended(tmp_path: Path) -> None:
    limits = {"idle_seconds": 1, "first_event_seconds": 1, "streams_per_account": 0}
    async with party_at(tmp_path, **limits) as party:
        answers = await asyncio.gather(
            *(
                party.ask(dialect, "Hello /fault silent 60", stream=bool(streamed))
                for dialect, streamed in COMBINATIONS
            )
        )
        for answer in answers:
            assert answer.status == 504
            assert answer.json["error"]["code"] == "upstream_timeout"
        assert await party.gateway.outcomes() == {"silent": len(COMBINATIONS)}
        assert (await party.stats())["streams_open"] == 0


async def test_an_expired_token_is_renewed_once_where_it_can_be(tmp_path: Path) -> None:
    async with party_at(tmp_path) as party:
        party.account.access_token = "bob"  # a refresh token of the demo: any name
        for dialect, streamed in COMBINATIONS:
            text = f"Hello {dialect} {streamed} /fault expired"
            answer = await party.ask(dialect, text, stream=bool(streamed))
            assert answer.status == 200, answer.body
        seen = await party.stats()
        assert seen["by_status"][f"{RESPONSES} 401"] == len(COMBINATIONS)
        assert seen["exchanges"] == 1 + 1 + len(COMBINATIONS)  # anna's, bob's first, and after 401s
        assert seen["complaints"] == {}


# --- callers who leave ------------------------------------------------------------------


@pytest.mark.parametrize("scene", SCENES_WITH_AN_ANSWER)
async def test_upstream_is_closed_when_the_caller_leaves(tmp_path: Path, scene: str) -> None:
    """Within a second, told by the number of looks, since a busy machine has longer ones."""
    text = f"/scene {scene} /fault stall 1"

    async def reading(party: Party, dialect: str, *, is_stream: bool) -> None:
        extras = EXTRAS.get(scene, {}) if dialect == "responses" else {}
        async with party.post(dialect, text, stream=is_stream, **extras) as response:
            await response.read()

    async with party_at(tmp_path, streams_per_account=0) as party:
        readers = [
            asyncio.create_task(reading(party, dialect, is_stream=bool(streamed)))
            for dialect, streamed in COMBINATIONS
        ]
        await party.has_streams(len(COMBINATIONS), 500)
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        await party.has_streams(0, int(1 / LOOK_SECONDS))
        assert (await party.stats())["complaints"] == {}
        assert "gateway_open_streams 0.0" in await party.gateway.metrics()
