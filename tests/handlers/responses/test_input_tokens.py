from typing import Any

import pytest

from tests.conftest import StartGateway
from tests.gateway import Gateway
from tests.handlers.background.following import call
from tests.handlers.conversations.asking import made
from tests.scripted_upstream import DONE, ScriptedUpstream, final

TOOL = {
    "type": "function",
    "name": "add",
    "description": "Adds two numbers.",
    "parameters": {"type": "object", "properties": {"a": {"type": "number"}}},
}
PICTURE = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="}


@pytest.fixture
async def gateway(scripted: ScriptedUpstream, start_gateway: StartGateway) -> Gateway:
    scripted.plays(final("Hello"), DONE)
    return await start_gateway(scripted.url)


async def counted(gateway: Gateway, token: str = "fk-a", **body: Any) -> int:
    status, answer = await call(gateway, "POST", "/input_tokens", token, json=body)
    assert (status, answer["object"]) == (200, "response.input_tokens"), answer
    assert answer.keys() == {"object", "input_tokens"}
    return int(answer["input_tokens"])


@pytest.mark.parametrize("token", ["fk-a", "codex:fk-a"])
async def test_it_grows_with_each_part_and_asks_no_upstream(
    gateway: Gateway, scripted: ScriptedUpstream, token: str
) -> None:
    plain = await counted(gateway, token, input="Hello")
    longer = [
        {"input": "Hello there, how are you?"},
        {"input": "Hello", "instructions": "Be nice."},
        {"input": "Hello", "tools": [TOOL]},
        {"input": [{"role": "user", "content": [PICTURE]}]},
        {"input": "Hello", "model": "gpt-4o", "tools": [TOOL], "tool_choice": "required"},
    ]
    for body in longer:
        assert await counted(gateway, token, **body) > plain, body
    assert scripted.turns == []
    assert scripted.lists_asked == 0


async def test_it_counts_as_the_usage_of_an_answer_does(gateway: Gateway) -> None:
    asked = {"input": "Hello there", "instructions": "Be nice."}
    _, response = await call(gateway, "POST", json={"model": "gpt-4o", **asked})
    assert await counted(gateway, **asked) == response["usage"]["input_tokens"]


async def test_what_it_goes_on_from_counts(gateway: Gateway) -> None:
    token = "fk-an-access-token-of-a-caller"
    _, response = await call(gateway, "POST", json={"model": "gpt-4o", "input": "One two three"})
    plain = await counted(gateway, input="Hello")
    assert await counted(gateway, token, input="Hello", previous_response_id=response["id"]) > plain
    name = await made(gateway, "One two three")
    assert await counted(gateway, token, input="Hello", conversation=name) > plain


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": 7}, "input"),
        ({"input": "Hi", "tools": [{"type": "strange"}]}, "tools[0].type"),
        ({"input": "Hi", "conversation": {"id": 1}}, "conversation"),
    ],
)
async def test_what_is_wrong_is_refused_by_its_name(
    gateway: Gateway, body: dict[str, Any], param: str
) -> None:
    status, answer = await call(gateway, "POST", "/input_tokens", json=body)
    assert (status, answer["error"]["param"]) == (400, param)


async def test_no_key_is_a_401(gateway: Gateway) -> None:
    url = f"{gateway.url}/v1/responses/input_tokens"
    async with gateway.session.post(url, json={"input": "Hi"}) as response:
        assert response.status == 401
