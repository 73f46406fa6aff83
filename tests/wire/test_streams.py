"""What clients require of a stream: the requirements of openai-wire 11, by their numbers."""

import asyncio
import json
from typing import Any

import pytest

from service.settings.config import StreamConfig
from tests.conftest import StartGateway
from tests.gateway import Answer, Gateway
from tests.scripted_upstream import Pause, ScriptedUpstream

USAGE = {"stream_options": {"include_usage": True}}
SEPARATORS = "\u0085\u2028\u2029"


def chunks(answer: Answer) -> list[dict[str, Any]]:
    """The chunks of a proper stream, without its `[DONE]`."""
    *events, done = answer.events
    assert done == "[DONE]"
    return events


def deltas(answer: Answer) -> list[dict[str, Any]]:
    return [choice["delta"] for chunk in chunks(answer) for choice in chunk["choices"]]


def message(text: str, *, is_last: bool = False) -> bytes:
    """A whole event of the older stream generation."""
    fields = {
        "id": "m-1",
        "author": {"role": "assistant"},
        "content": {"content_type": "text", "parts": [text]},
        "status": "finished_successfully" if is_last else "in_progress",
        "end_turn": is_last or None,
        "recipient": "all",
        "metadata": {},
    }
    event = {"message": fields, "conversation_id": "c-1", "error": None}
    return b"data: %b\n\n" % json.dumps(event).encode()


DONE = b"data: [DONE]\n\n"


async def test_rule_01_the_body_ends_in_the_write_of_done(gateway: Gateway) -> None:
    answer = await gateway.chat("long 50", stream=True)
    assert answer.chunks[-1].endswith(b"data: [DONE]\n\n")
    assert answer.chunks[-1].count(b"[DONE]") == 1


async def test_rule_02_a_ping_is_a_comment_and_every_event_has_data(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(message("Hi"), Pause(0.5), message("Hi all", is_last=True), DONE)
    gateway = await start_gateway(scripted.url, stream={"keep_alive_seconds": 0.05})
    answer = await gateway.chat(stream=True)
    assert b": ping\n\n" in answer.body
    for block in answer.body.split(b"\n\n"):
        for line in block.split(b"\n"):
            assert line in (b"", b": ping", DONE[:-2]) or line.startswith(b"data: {")


async def test_rule_03_an_event_is_one_line_with_the_space_and_ends_with_lf(
    gateway: Gateway,
) -> None:
    body = (await gateway.chat("分步", stream=True)).body
    assert b"\r" not in body
    assert body.endswith(b"\n\n")
    for event in body[:-2].split(b"\n\n"):
        assert event.startswith((b"data: {", b"data: [DONE]", b": "))
        assert b"\n" not in event


async def test_rule_04_every_line_is_under_64_kib(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    text = "文\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16") * 60_000
    scripted.plays(message(text, is_last=True), DONE)
    gateway = await start_gateway(scripted.url)
    answer = await gateway.chat(stream=True)
    assert answer.text == text
    assert max(len(line) for line in answer.body.split(b"\n")) < 64 * 1024


async def test_rule_05_line_separators_are_escaped_and_no_half_of_a_character_goes_out(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(
        message(f"a{SEPARATORS}b"), message(f"a{SEPARATORS}b \ud83d", is_last=True), DONE
    )
    gateway = await start_gateway(scripted.url)
    for is_stream in (True, False):
        answer = await gateway.chat(stream=is_stream)
        text = answer.body.decode()  # raises for a surrogate's bytes
        assert not set(SEPARATORS) & set(text)
        assert answer.text.startswith(f"a{SEPARATORS}b")


async def test_rule_06_a_stream_says_so_with_status_200_and_all_else_is_json(
    gateway: Gateway,
) -> None:
    stream, whole = await gateway.chat(stream=True), await gateway.chat()
    assert (stream.status, whole.status) == (200, 200)
    assert stream.headers["Content-Type"].startswith("text/event-stream")
    assert whole.headers["Content-Type"].startswith("application/json")
    error = await gateway.chat(stream=True, model=1)
    assert error.status == 400
    assert error.headers["Content-Type"].startswith("application/json")


async def test_rule_07_nothing_on_the_way_may_hold_or_pack_a_stream(gateway: Gateway) -> None:
    for encoding in ("identity", "gzip, deflate, br"):
        answer = await gateway.chat(stream=True, headers={"Accept-Encoding": encoding})
        assert answer.headers["Cache-Control"] == "no-cache"
        assert answer.headers["X-Accel-Buffering"] == "no"
        assert "Content-Encoding" not in answer.headers
        assert "Content-Length" not in answer.headers


async def test_rule_08_the_role_is_told_once_and_first(gateway: Gateway) -> None:
    first, *others = deltas(await gateway.chat("think about boats", stream=True))
    assert first == {"role": "assistant", "content": ""}
    assert not [delta for delta in others if "role" in delta]


@pytest.mark.parametrize("question", ["Hello", "think about boats", "run code for 6*7"])
async def test_rule_09_one_chunk_has_a_finish_reason_and_all_have_the_key(
    question: str, gateway: Gateway
) -> None:
    choices = [
        choice
        for chunk in chunks(await gateway.chat(question, stream=True, **USAGE))
        for choice in chunk["choices"]
    ]
    assert all(choice["index"] == 0 for choice in choices)
    reasons = [choice["finish_reason"] for choice in choices]
    assert [reason for reason in reasons if reason is not None] == ["stop"]
    assert reasons[-1] == "stop"


async def test_rule_10_usage_comes_last_alone_and_only_on_request(gateway: Gateway) -> None:
    *others, last = chunks(await gateway.chat(stream=True, **USAGE))
    assert last["choices"] == []
    assert last["usage"]["total_tokens"] > 0
    assert not [chunk for chunk in others if chunk.get("usage")]
    assert others[-1]["choices"][0]["finish_reason"] == "stop"
    for options in ({}, {"stream_options": {"include_usage": False}}, {"stream_options": None}):
        asked = chunks(await gateway.chat(stream=True, **options))
        assert not [chunk for chunk in asked if chunk.get("usage")]


async def test_rule_12_no_chunk_is_without_choices_and_no_delta_is_null(gateway: Gateway) -> None:
    told = chunks(await gateway.chat("search for boats", stream=True))
    assert all(chunk["choices"] for chunk in told)
    assert all(isinstance(choice["delta"], dict) for chunk in told for choice in chunk["choices"])
    assert not [delta for chunk in told if None in (delta := chunk["choices"][0]["delta"]).values()]


async def test_rule_13_reasoning_and_content_are_never_in_one_delta(gateway: Gateway) -> None:
    told = deltas(await gateway.chat("think about boats", stream=True))
    assert [delta for delta in told if "reasoning_content" in delta]
    assert not [delta for delta in told if {"reasoning_content", "content"} <= delta.keys()]
    plain = deltas(await gateway.chat("Hello", stream=True))
    assert not [delta for delta in plain if "reasoning_content" in delta]
    assert "reasoning_content" not in (await gateway.chat("Hello")).json["choices"][0]["message"]


async def test_rule_14_annotations_are_told_once_on_the_finish_chunk(gateway: Gateway) -> None:
    answer = await gateway.chat("search for boats", stream=True)
    holders = [
        choice
        for chunk in chunks(answer)
        for choice in chunk["choices"]
        if "annotations" in choice["delta"]
    ]
    [choice] = holders
    assert choice["finish_reason"] == "stop"
    assert "content" not in choice["delta"]
    for entry in choice["delta"]["annotations"]:
        assert entry["type"] == "url_citation"
        assert entry["url_citation"].keys() == {"url", "title", "start_index", "end_index"}
        assert 0 <= entry["url_citation"]["start_index"] <= entry["url_citation"]["end_index"]
        assert entry["url_citation"]["end_index"] <= len(answer.text)


async def test_rule_16_all_chunks_share_id_time_and_model(gateway: Gateway) -> None:
    told = chunks(await gateway.chat("several messages", stream=True, **USAGE))
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in told}) == 1
    assert all(chunk["object"] == "chat.completion.chunk" for chunk in told)
    assert isinstance(told[0]["created"], int)
    assert 1_700_000_000 < told[0]["created"] < 10_000_000_000


async def test_rule_18_an_error_event_has_no_choices_and_ends_the_stream(gateway: Gateway) -> None:
    answer = await gateway.chat("long 100 /fault cut 30", stream=True)
    *told, last = answer.events
    assert last.keys() == {"error"}
    assert last["error"]["message"]
    assert "[DONE]" not in told
    assert answer.finish is None


async def test_rule_25_the_head_does_not_wait_and_silence_is_filled(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(Pause(0.6), message("Hi", is_last=True), DONE)
    settings = {"head_seconds": 0.05, "keep_alive_seconds": 0.05}
    gateway = await start_gateway(scripted.url, stream=settings)
    async with gateway.open_chat(stream=True) as response:
        assert response.status == 200  # the head came while the upstream was silent
        assert not scripted.turns[0].closed.is_set()
        body = await response.read()
    assert body.count(b": ping") >= 2
    assert StreamConfig().head_seconds <= 20
    assert StreamConfig().keep_alive_seconds <= 15


async def test_rule_26_a_long_silence_brings_empty_deltas(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(message("Hi"), Pause(0.6), message("Hi all", is_last=True), DONE)
    gateway = await start_gateway(scripted.url, stream={"keep_alive_chunk_seconds": 0.05})
    answer = await gateway.chat(stream=True)
    assert [delta for delta in deltas(answer)[:-1] if delta == {}]
    assert answer.text == "Hi all"


async def test_rule_46_a_caller_that_leaves_releases_all(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(message("Hi"), Pause(30))
    gateway = await start_gateway(scripted.url)
    async with gateway.open_chat(stream=True) as response:
        await response.content.readany()
        response.close()
    async with asyncio.timeout(20):
        await scripted.turns[0].closed.wait()
    assert "gateway_open_streams 0.0" in await gateway.metrics()
