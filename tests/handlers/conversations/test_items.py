import asyncio
from typing import Any

import pytest

from tests.conftest import StartGateway
from tests.gateway import Gateway
from tests.handlers.conversations.asking import call, made, texts_of
from tests.open_responses import check_open_items
from tests.scripted_upstream import ScriptedUpstream


@pytest.fixture
async def gateway(scripted: ScriptedUpstream, start_gateway: StartGateway) -> Gateway:
    return await start_gateway(scripted.url)


async def test_items_come_in_pages_the_last_first(gateway: Gateway) -> None:
    name = await made(gateway, "a", "b")
    added = {"items": [{"role": "user", "content": "c"}]}
    status, answer = await call(gateway, "POST", f"/{name}/items", json=added)
    assert (status, answer["object"]) == (200, "list")
    assert answer["data"][0]["content"][0]["text"] == "c"
    assert await texts_of(gateway, name, "") == ["c", "b", "a"]
    assert await texts_of(gateway, name) == ["a", "b", "c"]
    _, page = await call(gateway, "GET", f"/{name}/items?limit=2")
    check_open_items(page["data"])
    assert (page["has_more"], page["first_id"]) == (True, page["data"][0]["id"])
    assert await texts_of(gateway, name, f"after={page['last_id']}") == ["a"]


async def test_one_item_is_read_and_deleted(gateway: Gateway) -> None:
    name = await made(gateway, "a", "b")
    _, page = await call(gateway, "GET", f"/{name}/items")
    item = page["data"][0]
    assert await call(gateway, "GET", f"/{name}/items/{item['id']}") == (200, item)
    status, conversation = await call(gateway, "DELETE", f"/{name}/items/{item['id']}")
    assert (status, conversation["id"], conversation["object"]) == (200, name, "conversation")
    assert await texts_of(gateway, name) == ["a"]
    for method in ("GET", "DELETE"):
        status, body = await call(gateway, method, f"/{name}/items/{item['id']}")
        assert (status, body["error"]["param"]) == (404, "item_id")


ITEMS: list[dict[str, Any]] = [
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
    {"type": "function_call", "call_id": "call_1", "name": "add", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "call_1", "output": "2"},
    {"type": "message", "role": "assistant", "content": "Two.", "id": "msg_own"},
]


async def test_items_of_all_kinds_keep_what_they_say_and_their_own_ids(gateway: Gateway) -> None:
    name = await made(gateway)
    await call(gateway, "POST", f"/{name}/items", json={"items": ITEMS})
    _, page = await call(gateway, "GET", f"/{name}/items?order=asc")
    for sent, kept in zip(ITEMS, page["data"], strict=True):
        told = {key: kept[key] for key in sent}
        if isinstance(sent.get("content"), str):
            told["content"] = told["content"][0]["text"]
        assert told == sent
    assert len({item["id"] for item in page["data"]}) == len(ITEMS)


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"type": "strange"}, "items[0].type"),
        ({"role": "nobody", "content": "Hi"}, "items[0].role"),
        ({"role": "user"}, "items[0].content"),
        ({"type": "function_call_output", "output": "2"}, "items[0].call_id"),
    ],
)
async def test_an_item_that_is_wrong_is_refused_by_its_place(
    gateway: Gateway, item: dict[str, Any], param: str
) -> None:
    name = await made(gateway)
    status, body = await call(gateway, "POST", f"/{name}/items", json={"items": [item]})
    assert (status, body["error"]["param"]) == (400, param)
    assert (await call(gateway, "POST", json={"items": [item]}))[0] == 400


async def test_items_that_are_added_at_once_are_all_there(gateway: Gateway) -> None:
    name = await made(gateway)
    bodies = [{"items": [{"role": "user", "content": str(number)}]} for number in range(10)]
    answers = await asyncio.gather(
        *(call(gateway, "POST", f"/{name}/items", json=body) for body in bodies)
    )
    assert [status for status, _ in answers] == [200] * 10
    assert sorted(await texts_of(gateway, name)) == [str(number) for number in range(10)]


async def test_a_full_conversation_takes_no_more(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    gateway = await start_gateway(scripted.url, responses={"max_bytes_per_owner": 3_000})
    name = await made(gateway, "x" * 1_500)
    body = {"items": [{"role": "user", "content": "y" * 1_500}]}
    status, answer = await call(gateway, "POST", f"/{name}/items", json=body)
    assert (status, answer["error"]["code"]) == (400, "conversation_full")
    assert await texts_of(gateway, name) == ["x" * 1_500]
