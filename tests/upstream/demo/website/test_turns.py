"""Turns as requests."""

import asyncio
from typing import Any

import pytest

from tests.upstream.demo.conftest import Asker
from tests.upstream.demo.reading import read
from upstream.demo.ground.options import DemoOptions

TURN = "/backend-api/conversation"


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
