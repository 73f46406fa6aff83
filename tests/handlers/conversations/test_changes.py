from typing import Any

import pytest

from tests.conftest import StartGateway
from tests.gateway import Gateway
from tests.handlers.background.following import call as call_responses
from tests.handlers.conversations.asking import call, made
from tests.scripted_upstream import DONE, ScriptedUpstream, final


@pytest.fixture
async def gateway(scripted: ScriptedUpstream, start_gateway: StartGateway) -> Gateway:
    scripted.plays(final("Hello"), DONE)
    return await start_gateway(scripted.url)


async def test_a_reference_becomes_the_item_that_it_names(gateway: Gateway) -> None:
    asked = {"model": "gpt-4o", "input": "Hi"}
    _, response = await call_responses(gateway, "POST", json=asked)
    message: dict[str, Any] = response["output"][0]
    name = await made(gateway)
    reference = {"type": "item_reference", "id": message["id"]}
    status, answer = await call(gateway, "POST", f"/{name}/items", json={"items": [reference]})
    assert (status, answer["data"]) == (200, [message])


async def test_a_reference_to_nothing_is_a_404(gateway: Gateway) -> None:
    name = await made(gateway)
    reference = {"type": "item_reference", "id": "msg_of_nobody"}
    status, _ = await call(gateway, "POST", f"/{name}/items", json={"items": [reference]})
    assert status == 404
