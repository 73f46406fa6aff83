"""Items to events without a socket, and their way to a caller over one."""

import asyncio
import json
from itertools import pairwise
from typing import Any

import pytest

from tests.rows import each_row
from tests.upstream.demo.codex.client import RESPONSES, CodexClient, body_of
from upstream.demo.codex.stream import Ending, Event, Item, Manner, Reply, events_of, pieces_of

TEXT = "one two 三 four"
PART = {"type": "output_text", "text": TEXT, "annotations": [{"type": "url_citation"}]}
MESSAGE = Item({"id": "msg_1", "type": "message", "status": "completed", "content": [PART]})
REASONING = Item(
    {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "a b"}]}
)
SEARCH = Item({"id": "ws_1", "type": "web_search_call", "status": "completed"})
PICTURE = Item(
    {"id": "ig_1", "type": "image_generation_call", "status": "completed", "result": "QQ=="},
    ("Qg==",),
)
CUSTOM = Item({"id": "ctc_1", "type": "custom_tool_call", "call_id": "c", "input": "a b"})


def call(number: int) -> Item:
    arguments = json.dumps({"a": number, "b": "some words"})
    done = {"id": f"fc_{number}", "type": "function_call", "status": "completed"}
    return Item({**done, "call_id": f"call_{number}", "name": "f", "arguments": arguments})


def played(*groups: tuple[Item, ...], **fields: Any) -> list[Event]:
    return list(events_of(Reply(groups, {"id": "resp_1"}, **fields)))


def types(events: list[Event]) -> list[str]:
    return [event.data["type"].removeprefix("response.") for event in events]


def test_a_message_comes_in_this_order() -> None:
    events = played((MESSAGE,))
    assert [name for name, after in pairwise([*types(events), ""]) if name != after] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.annotation.added",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event.data["sequence_number"] for event in events] == list(range(len(events)))
    added = events[2].data["item"]
    assert (added["status"], added["content"]) == ("in_progress", [])
    assert "".join(event.data["delta"] for event in events if event.is_delta) == TEXT
    assert events[-1].data["response"]["output"] == []


@each_row("item", [MESSAGE, REASONING, SEARCH, PICTURE, CUSTOM, call(1)])
def test_every_item_is_added_and_done_as_itself(item: Item) -> None:
    events = played((item,))
    own = [event.data for event in events if event.data.get("item_id")]
    assert {data["item_id"] for data in own} == {item.done["id"]}
    assert {data["output_index"] for data in own} == {0}
    assert events[-2].data["item"] == item.done
    assert events[2].data["item"].keys() >= {"id", "type"}


def test_parallel_calls_take_turns() -> None:
    events = played((REASONING,), (call(1), call(2)))
    lanes = [event.data["output_index"] for event in events if event.is_delta][2:]
    assert lanes[:4] == [1, 2, 1, 2]
    for number in (1, 2):
        deltas = [one.data for one in events if one.is_delta and one.data["output_index"] == number]
        assert "".join(one["delta"] for one in deltas) == call(number).done["arguments"]


@each_row(("manner", "count"), [("late", 0), ("one", 1), ("pieces", 5)])
def test_a_manner_decides_how_many_deltas_there_are(manner: Manner, count: int) -> None:
    events = played((MESSAGE,), manner=manner)
    assert sum(event.is_delta for event in events) == count
    assert events[-2].data["item"] == MESSAGE.done


def test_partial_pictures_come_first() -> None:
    events = played((PICTURE,))
    assert types(events)[3:7] == [
        f"image_generation_call.{state}"
        for state in ("in_progress", "generating", "partial_image", "completed")
    ]
    assert events[2].data["item"]["result"] is None


@each_row(
    ("ending", "last"),
    [
        (Ending("failed", {"code": "x"}), "failed"),
        (Ending("incomplete", {"reason": "x"}), "incomplete"),
        (Ending("error", {"code": "x"}), "error"),
        (Ending("nothing"), "output_text.delta"),
    ],
)
def test_an_ending_comes_after_so_many_deltas(ending: Ending, last: str) -> None:
    events = played((MESSAGE,), ending=ending, deltas=2)
    assert sum(event.is_delta for event in events) == 2
    assert types(events)[-1] == last
    assert [event.data["sequence_number"] for event in events] == list(range(len(events)))


def test_private_events_are_first_and_not_numbered() -> None:
    events = played(first=({"type": "codex.rate_limits"},))
    assert events[0].data == {"type": "codex.rate_limits"}
    assert events[0].as_bytes(is_bare=True) == b'data: {"type":"codex.rate_limits"}\n\n'
    assert (
        events[0].as_bytes() == b'event: codex.rate_limits\ndata: {"type":"codex.rate_limits"}\n\n'
    )


def test_pieces_are_the_text_and_never_long() -> None:
    for text in (TEXT, "x" * 100, "  a  ", "", "\n\n", "中文 and 英文"):
        pieces = pieces_of(text)
        assert "".join(pieces) == text
        assert max(map(len, pieces), default=0) <= 24


@pytest.mark.parametrize("text", ["/fault stall 2", "/fault silent 60", "/scene big 12"])
async def test_a_caller_that_leaves_is_noticed(anna: CodexClient, text: str) -> None:
    url = anna.base + RESPONSES
    async with anna.session.post(url, json=body_of(text), headers=anna.headers()) as response:
        await response.content.readany()
        assert (await anna.stats())["streams_open"] == 1
        response.close()
    async with asyncio.timeout(30):
        while (await anna.stats())["streams_open"]:  # noqa: ASYNC110 - of the server
            await asyncio.sleep(0.01)
    assert (await anna.stats())["closed_by_peer"] == 1


async def test_streams_are_counted_at_once(anna: CodexClient) -> None:
    url = anna.base + RESPONSES
    asked = [
        await anna.session.post(url, json=body_of("/fault stall"), headers=anna.headers())
        for _ in range(3)
    ]
    assert list((await anna.stats())["most_streams_open"].values()) == [3]
    for response in asked:
        response.close()
