"""What surrounds every answer."""

import itertools
import json

from tests.upstream.demo.conftest import Asker, user
from tests.upstream.demo.reading import BEARER


async def test_an_answer_is_surrounded_by_what_real_ones_have(asker: Asker) -> None:
    stream = await asker.ask("Hello there")
    kinds = [one["type"] for _, one in stream.events if isinstance(one, dict) and "type" in one]
    assert kinds == [
        "resume_conversation_token",
        "input_message",
        "message_marker",
        "message_marker",
        "title_generation",
        "server_ste_metadata",
        "message_stream_complete",
        "conversation_detail_metadata",
    ]
    assert stream.pings >= 1
    (system,) = stream.by("system")
    assert system["end_turn"] is True
    assert system["metadata"]["is_visually_hidden_from_conversation"] is True
    context = next(iter(stream.by("assistant")))
    assert context["content"]["content_type"] == "model_editable_context"


async def test_the_sent_history_is_echoed_with_its_ids(asker: Asker) -> None:
    mine = [user("one"), user("two"), user("three")]
    mine[1]["author"]["role"] = "assistant"
    stream = await asker.ask("", messages=mine)
    echoes = [stream.messages[one["id"]] for one in mine]
    assert [one["status"] for one in echoes] == ["finished_successfully"] * 3
    assert [one["end_turn"] for one in echoes] == [None, True, None]
    assert stream.typed("input_message")[0]["input_message"]["id"] == mine[2]["id"]


async def test_the_slug_that_was_asked_for_answers(asker: Asker) -> None:
    stream = await asker.ask("Hello there", model="gpt-5-mini")
    assert stream.answers()[0]["metadata"]["model_slug"] == "gpt-5-mini"
    assert stream.typed("server_ste_metadata")[0]["metadata"]["model_slug"] == "gpt-5-mini"


async def test_v1_leaves_out_what_is_inherited_and_pads(asker: Asker) -> None:
    body = asker.body("Tell me about boats", supported_encodings=["v1"])
    async with asker.post("/backend-api/conversation", body) as response:
        lines = (await response.read()).split(b"\n")
    deltas = [
        line.removeprefix(b"data: ")
        for name, line in itertools.pairwise(lines)
        if name == b"event: delta"
    ]
    keys = [tuple(json.loads(one)) for one in deltas]
    assert keys[0] == ("p", "o", "v", "c")
    assert keys[1] == ("v", "c")
    assert keys.count(("v",)) > 5
    assert keys[-1] == ("p", "o", "v")
    assert any(one.endswith(b"  ") for one in deltas)


async def test_a_patch_may_come_without_its_path(asker: Asker) -> None:
    body = asker.body("2+2", supported_encodings=["v1"])
    async with asker.post("/backend-api/conversation", body) as response:
        raw = await response.read()
    assert b'data: {"o":"patch","v":[' in raw


async def test_it_needs_a_bearer(asker: Asker) -> None:
    url = asker.base + "/backend-api/conversation"
    async with asker.session.post(url, json=asker.body("Hi")) as response:
        assert response.status == 401
        assert await response.json() == {"detail": "Unauthorized"}
    async with asker.session.post(
        asker.base + "/a/prefix/backend-api/conversation", json=asker.body("Hi"), headers=BEARER
    ) as response:
        assert response.status == 200
