"""What becomes of an answer while it is made: its pictures, and its place in a conversation."""

from typing import Any

import pytest

from handlers.background.kept import kept_conversations, kept_responses
from handlers.background.making import WithPictures
from service.sink import put
from service.vocabulary.credentials import read_credential
from service.vocabulary.events import AssetKind
from service.vocabulary.rendered import AssetLinked, ContentText
from tests.conftest import StartGateway
from tests.gateway import ACCESS_TOKEN, Gateway
from tests.handlers.background.following import call
from tests.scripted_upstream import DONE, ScriptedUpstream, final
from tests.sinks import Kept

OWNER = read_credential(f"Bearer {ACCESS_TOKEN}", None, None).owner


class Blobs:
    """A store without pictures."""

    async def find(self, _folder: str, _name: str) -> None:
        return None


class Rendering(Kept):
    outlet = None


async def test_a_picture_that_cannot_be_read_has_its_link_alone() -> None:
    found: dict[str, str] = {}
    linked = AssetLinked(AssetKind.PICTURE, "https://a.example/gone.png", "gone.png", "image/png")
    sink = Rendering()
    loading = WithPictures(sink, Blobs(), found)  # type: ignore[arg-type]
    await put(loading, [ContentText("a"), linked])
    assert sink.batches == [[ContentText("a"), linked]]
    assert found == {}


@pytest.fixture
async def gateway(scripted: ScriptedUpstream, start_gateway: StartGateway) -> Gateway:
    scripted.plays(final("Hello"), DONE)
    return await start_gateway(scripted.url)


async def made(gateway: Gateway, **body: Any) -> Any:
    status, response = await call(gateway, "POST", json={"model": "gpt-4o", "input": "Hi", **body})
    assert status == 200, response
    return response


async def conversation(gateway: Gateway) -> str:
    url, headers = f"{gateway.url}/v1/conversations", {"Authorization": f"Bearer {ACCESS_TOKEN}"}
    async with gateway.session.post(url, json={}, headers=headers) as response:
        return str((await response.json())["id"])


async def test_an_answer_is_added_to_its_conversation_before_its_caller_has_it(
    gateway: Gateway, scripted: ScriptedUpstream
) -> None:
    name = await conversation(gateway)
    first = await made(gateway, conversation=name)
    assert first["conversation"] == {"id": name}
    kept = await kept_conversations(gateway.app).find(OWNER, name)
    assert kept is not None
    assert [item["type"] for item in kept.items] == ["message", "message"]
    assert kept.items[1] == first["output"][0]
    second = await made(gateway, conversation={"id": name}, input="And now?")
    assert second["conversation"] == {"id": name}
    # The website still has the conversation, so only what is new is sent.
    turn = scripted.turns[1].body
    assert turn["conversation_id"] == first["conversation_id"]
    assert [one["content"]["parts"] for one in turn["messages"]] == [["And now?"]]


async def test_a_failed_answer_adds_nothing(gateway: Gateway, scripted: ScriptedUpstream) -> None:
    scripted.plays(b"")
    scripted.scripts.pop(0)
    name = await conversation(gateway)
    body = {"model": "gpt-4o", "input": "Hi", "conversation": name}
    assert (await call(gateway, "POST", json=body))[0] == 502
    kept = await kept_conversations(gateway.app).find(OWNER, name)
    assert kept is not None
    assert kept.items == []


async def test_items_that_were_added_meanwhile_are_not_lost_and_sent_anew(
    gateway: Gateway, scripted: ScriptedUpstream
) -> None:
    name = await conversation(gateway)
    await made(gateway, conversation=name)
    async with kept_conversations(gateway.app).changing(OWNER, name) as change:
        assert change is not None
        extra = {"id": "msg_x", "type": "message", "role": "user", "content": "Between"}
        change.now = change.now.with_items([*change.now.items, extra])
    await made(gateway, conversation=name, input="And now?")
    turn = scripted.turns[1].body
    assert turn.get("conversation_id") is None
    texts = [one["content"]["parts"][0] for one in turn["messages"]]
    assert texts == ["Hi", "Hello", "Between", "And now?"]


async def test_what_is_kept_of_a_response_is_its_owners(gateway: Gateway) -> None:
    response = await made(gateway)
    assert await kept_responses(gateway.app).find(OWNER, response["id"])
    assert await kept_responses(gateway.app).find("somebody else", response["id"]) is None
