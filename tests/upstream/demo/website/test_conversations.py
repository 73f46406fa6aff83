"""Stored conversations."""

import asyncio
from typing import Any

import pytest

from tests.upstream.demo.conftest import Asker
from tests.upstream.demo.reading import BEARER, Stream

PATH = "/backend-api/conversation/"


def id_of(stream: Stream) -> str:
    return stream.typed("message_stream_complete")[0]["conversation_id"]


async def patch(asker: Asker, path: str, body: dict[str, Any]) -> int:
    async with asker.session.patch(asker.base + path, json=body, headers=BEARER) as response:
        return response.status


async def test_a_conversation_is_a_tree_from_its_root(asker: Asker) -> None:
    stream = await asker.ask("Tell me about boats")
    stored = await asker.get(PATH + id_of(stream))
    node = stored["mapping"][stored["current_node"]]
    assert node["message"]["content"]["parts"][0] == stream.text
    way = []
    while node["parent"]:
        way.append(node["message"]["author"]["role"])
        node = stored["mapping"][node["parent"]]
    assert node["message"] is None
    assert way.count("user") == 1
    assert stored["title"] == "Tell me about boats"


async def test_hiding_makes_it_unknown(asker: Asker) -> None:
    conversation_id = id_of(await asker.ask("boats, please"))
    listed = await asker.get("/backend-api/conversations?offset=0&limit=28&order=updated")
    assert [one["id"] for one in listed["items"]] == [conversation_id]
    assert await patch(asker, PATH + conversation_id, {"is_visible": False}) == 200
    await asker.get(PATH + conversation_id, status=404)
    assert await patch(asker, PATH + conversation_id, {"is_visible": False}) == 404
    assert (await asker.stats())["hidden"] == [conversation_id]
    assert (await asker.get("/backend-api/conversations"))["total"] == 0


async def test_all_can_be_hidden_at_once(asker: Asker) -> None:
    await asker.ask("one boat")
    await asker.ask("two boats")
    assert await patch(asker, "/backend-api/conversations", {"is_visible": False}) == 200
    assert len((await asker.stats())["hidden"]) == 2


async def test_a_temporary_chat_is_not_stored(asker: Asker) -> None:
    conversation_id = id_of(await asker.ask("boats", history_and_training_disabled=True))
    answer = await asker.get(PATH + conversation_id, status=404)
    assert answer["detail"]["code"] == "history_disabled_conversation_not_found"
    body = asker.body("more", conversation_id=conversation_id)
    async with asker.post("/backend-api/conversation", body) as response:
        assert response.status == 404


async def test_another_account_does_not_see_it(asker: Asker) -> None:
    conversation_id = id_of(await asker.ask("boats, please"))
    headers = {**BEARER, "ChatGPT-Account-ID": "other"}
    async with asker.session.get(asker.base + PATH + conversation_id, headers=headers) as response:
        assert response.status == 404


@pytest.mark.whole
async def test_a_late_picture_appears_by_itself(asker: Asker) -> None:
    stream = await asker.ask("draw a cat later, 64x64")
    assert not stream.answers()
    assert stream.typed("server_ste_metadata")[0]["metadata"]["turn_use_case"] == "image gen"
    before = await asker.get(PATH + id_of(stream))
    assert "sediment://" not in str(before)
    assert len((await asker.get("/backend-api/tasks"))["tasks"]) == 1
    await asyncio.sleep(0.35)
    after = await asker.get(PATH + id_of(stream))
    node = after["mapping"][after["current_node"]]["message"]
    assert node["author"]["role"] == "tool"
    assert node["content"]["parts"][0]["asset_pointer"].startswith("sediment://file_")
    assert (await asker.get("/backend-api/tasks"))["tasks"] == []


async def test_small_calls_answer(asker: Asker) -> None:
    conversation_id = id_of(await asker.ask("boats, please"))
    status = await asker.get(f"{PATH}{conversation_id}/stream_status")
    assert status == {"status": "IS_NOT_STREAMING"}
    async with asker.post("/backend-api/conversation/init", {"gizmo_id": None}) as response:
        assert (await response.json())["type"] == "conversation_detail_metadata"
    async with asker.post(f"{PATH}gen_title/{conversation_id}", {"message_id": "m"}) as response:
        assert (await response.json())["title"] == "boats, please"
    assert await patch(asker, PATH + conversation_id, {"title": "New"}) == 200
    assert (await asker.get(PATH + conversation_id))["title"] == "New"
    url = f"{asker.base}{PATH}id/{conversation_id}"
    async with asker.session.delete(url, headers=BEARER) as response:
        assert response.status == 200
    await asker.get(PATH + conversation_id, status=404)
