"""What a response goes on from: a response, a conversation, or nothing."""

from typing import Any

import pytest

from tests.conftest import StartGateway
from tests.gateway import Gateway
from tests.handlers.background.following import call
from tests.handlers.conversations.asking import made
from tests.scripted_upstream import DONE, ScriptedUpstream, final

ASKED = {"model": "gpt-4o", "input": "And now?"}


@pytest.fixture
async def gateway(scripted: ScriptedUpstream, start_gateway: StartGateway) -> Gateway:
    scripted.plays(final("Hello"), DONE)
    return await start_gateway(scripted.url)


def texts(turn: Any) -> list[str]:
    return [one["content"]["parts"][0] for one in turn.body["messages"]]


async def test_the_items_of_a_conversation_go_before_the_input(
    gateway: Gateway, scripted: ScriptedUpstream
) -> None:
    name = await made(gateway, "One", "Two")
    body = {**ASKED, "conversation": name, "instructions": "Be nice."}
    assert (await call(gateway, "POST", json=body))[0] == 200
    assert texts(scripted.turns[0]) == ["Be nice.", "One", "Two", "And now?"]


async def test_what_the_upstream_does_not_keep_is_sent_anew(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(final("Hello"), DONE)
    gateway = await start_gateway(scripted.url, conversation={"temporary": True})
    name = await made(gateway, "One")
    for _ in range(2):
        assert (await call(gateway, "POST", json={**ASKED, "conversation": name}))[0] == 200
    assert texts(scripted.turns[1]) == ["One", "And now?", "Hello", "And now?"]


async def test_an_unknown_conversation_is_a_404(gateway: Gateway) -> None:
    status, body = await call(gateway, "POST", json={**ASKED, "conversation": "conv_x"})
    assert (status, body["error"]["param"]) == (404, "conversation")


async def test_a_full_conversation_is_refused_before_the_turn(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    gateway = await start_gateway(scripted.url, responses={"max_bytes_per_owner": 2_000})
    name = await made(gateway, "x" * 1_500)
    body = {"model": "gpt-4o", "input": "y" * 500, "conversation": name}
    status, answer = await call(gateway, "POST", json=body)
    assert (status, answer["error"]["code"]) == (400, "conversation_full")
    assert scripted.turns == []
