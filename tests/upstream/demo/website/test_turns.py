"""Turns as requests."""

import asyncio
from typing import Any

import pytest

from tests.upstream.demo.conftest import Asker
from tests.upstream.demo.reading import BEARER, Stream, read
from upstream.demo.ground.options import DemoOptions

TURN = "/backend-api/conversation"
RESUME = "/backend-api/f/conversation/resume"


async def refusal(asker: Asker, body: dict[str, Any]) -> tuple[int, Any]:
    async with asker.post(TURN, body) as response:
        return response.status, (await response.json())["detail"]


async def test_missing_models_are_not_found(asker: Asker) -> None:
    status, detail = await refusal(asker, asker.body("hi", model="missing-1"))
    assert (status, detail["code"]) == (404, "model_not_found")


async def test_unknown_conversations_are_not_found(asker: Asker) -> None:
    status, detail = await refusal(asker, asker.body("hi", conversation_id="nope"))
    assert (status, detail["code"]) == (404, "conversation_not_found")


@pytest.mark.parametrize(
    "fields",
    [
        {"action": "dance"},
        {"messages": []},
        {"messages": [{"author": {"role": "user"}}]},
        {"thinking_effort": "high"},
    ],
)
async def test_wrong_bodies_are_refused(asker: Asker, fields: dict[str, Any]) -> None:
    status, _ = await refusal(asker, asker.body("hi", **fields))
    assert status == 422


async def test_a_turn_may_be_prepared(asker: Asker) -> None:
    async with asker.post("/backend-api/f/conversation/prepare", {}) as response:
        assert (await response.json())["status"] == "ok"
    assert (await asker.stats())["prepares"] == 1


async def test_a_branch_forgets_what_came_after_its_parent(asker: Asker) -> None:
    first = await asker.ask("My name is Ada.")
    conversation_id = first.typed("message_stream_complete")[0]["conversation_id"]
    parent = first.answers()[0]["id"]
    again = {"conversation_id": conversation_id, "parent_message_id": parent}
    await asker.ask("My name is Bob.", **again)
    assert (await asker.ask("What is my name?", **again)).text.endswith("Ada")


async def resume(asker: Asker, first: Stream, offset: int) -> tuple[int, Any]:
    (token,) = first.typed("resume_conversation_token")
    body = {"conversation_id": token["conversation_id"], "offset": offset}
    headers = {**BEARER, "X-Conduit-Token": token["token"]}
    async with asker.session.post(asker.base + RESUME, json=body, headers=headers) as response:
        return response.status, await response.read()


async def hand_off(asker: Asker, text: str, encodings: list[str]) -> tuple[Stream, bytes]:
    body = asker.body(text, supported_encodings=encodings)
    async with asker.post("/backend-api/f/conversation", body) as response:
        raw = await response.read()
    return read(raw), raw


@pytest.mark.parametrize("encodings", [[], ["v1"]])
async def test_a_replay_from_zero_has_everything(asker: Asker, encodings: list[str]) -> None:
    first, _ = await hand_off(asker, "Tell me about boats /fault handoff", encodings)
    assert first.typed("stream_handoff")[0]["options"][1] == {"type": "resume_sse_endpoint"}
    assert first.is_done
    assert not first.text
    status, raw = await resume(asker, first, 0)
    again = read(raw)
    assert status == 200
    assert again.is_v1 == bool(encodings)
    assert "Tell me about boats" in again.text
    assert (await asker.stats())["resumes"] == 1


@pytest.mark.parametrize("encodings", [[], ["v1"]])
async def test_a_replay_continues_where_it_broke(asker: Asker, encodings: list[str]) -> None:
    first, raw = await hand_off(asker, "Tell me about boats /fault handoff", encodings)
    _, rest = await resume(asker, first, len(first.events))
    assert b"delta_encoding" not in rest
    joined = read(raw.replace(b"data: [DONE]\n\n", b"") + rest)
    assert "Tell me about boats" in joined.text
    assert len(joined.typed("stream_handoff")) == 1


async def test_an_answer_may_only_be_stored(asker: Asker) -> None:
    first, _ = await hand_off(asker, "Tell me about boats /fault handoff410", [])
    status, raw = await resume(asker, first, 0)
    assert (status, b"persisted_final_available" in raw) == (410, True)
    conversation_id = first.typed("stream_handoff")[0]["conversation_id"]
    stored = await asker.get(f"/backend-api/conversation/{conversation_id}")
    last = stored["mapping"][stored["current_node"]]["message"]
    assert "Tell me about boats" in last["content"]["parts"][0]


async def test_the_token_must_fit(asker: Asker) -> None:
    first, _ = await hand_off(asker, "boats /fault handoff", [])
    first.typed("resume_conversation_token")[0]["token"] = "other"
    assert (await resume(asker, first, 0))[0] == 403


class TestSlowly:
    @pytest.fixture
    def options(self) -> DemoOptions:
        return DemoOptions(delay_seconds=0.02)

    async def test_a_stopped_answer_ends_early_but_cleanly(self, asker: Asker) -> None:
        async with asker.post(TURN, asker.body("long 1000")) as response:
            head = await response.content.readany()
            conversation_id = read(head).events[0][1]["conversation_id"]
            async with asker.post(
                "/backend-api/stop_conversation", {"conversation_id": conversation_id}
            ) as stopped:
                assert stopped.status == 200
            stream = read(head + await response.read())
        assert stream.is_done
        assert len(stream.text.split()) < 900
        assert (await asker.stats())["stops"] == [conversation_id]

    @pytest.mark.whole
    async def test_a_caller_that_leaves_is_noticed(self, asker: Asker) -> None:
        async with asker.post(TURN, asker.body("long 1000")) as response:
            await response.content.readany()
            assert (await asker.stats())["turns_open"] == 1
            response.close()
        await asyncio.sleep(0.3)
        stats = await asker.stats()
        assert (stats["turns_open"], stats["turns_closed_by_peer"]) == (0, 1)


class TestAlwaysDeltas:
    @pytest.fixture
    def options(self) -> DemoOptions:
        return DemoOptions(delay_seconds=0, generation="v1", is_crlf=True)

    async def test_the_server_may_decide_the_encoding(self, asker: Asker) -> None:
        async with asker.post(TURN, asker.body("Tell me about boats")) as response:
            raw = await response.read()
        assert b"\r\n\r\n" in raw
        assert read(raw).is_v1
        assert "Tell me about boats" in read(raw).text
