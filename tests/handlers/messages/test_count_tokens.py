from typing import Any

import pytest

from service.pipeline.request_tokens import PICTURE_TOKENS
from tests.handlers.conftest import Serve
from tests.handlers.messages.asking import HELLO, PICTURE
from tests.handlers.scripted import BEARER, Surroundings

LONG = "words and more of them " * 20
USE = {"type": "tool_use", "id": "toolu_1", "name": "read", "input": {"path": LONG}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": LONG}


async def counted(serve: Serve, **body: Any) -> int:
    client = await serve()
    asked = {"model": "gpt-4o", "messages": [HELLO], **body}
    response = await client.post("/v1/messages/count_tokens", json=asked, headers=BEARER)
    assert response.status == 200, await response.text()
    return int((await response.json())["input_tokens"])


@pytest.mark.parametrize(
    "more",
    [
        {"system": LONG},
        {"tools": [{"name": "read", "description": LONG, "input_schema": {"type": "object"}}]},
        {"messages": [HELLO, {"role": "assistant", "content": [USE]}, HELLO]},
        {
            "messages": [
                HELLO,
                {"role": "assistant", "content": [USE]},
                {"role": "user", "content": [RESULT]},
            ]
        },
        {
            "messages": [
                HELLO,
                {"role": "assistant", "content": [{"type": "thinking", "thinking": LONG}]},
                HELLO,
            ]
        },
    ],
)
async def test_37_a_count_grows_with_each_part(
    serve: Serve, around: Surroundings, more: dict[str, Any]
) -> None:
    """A8 37: system, tools, calls, results and thoughts; no turn is made for it."""
    assert await counted(serve, **more) > await counted(serve) + 80
    assert around.turns.requests == []


async def test_37_a_picture_counts_and_a_word_costs_little(serve: Serve) -> None:
    """A9.16."""
    assert await counted(serve, messages=[{"role": "user", "content": "foo"}]) < 25
    with_picture = {"role": "user", "content": [{"type": "text", "text": "Hello"}, PICTURE]}
    grown = await counted(serve, messages=[with_picture]) - await counted(serve)
    assert grown == PICTURE_TOKENS >= 20


async def test_a_wrong_request_is_told_as_for_a_message(serve: Serve) -> None:
    client = await serve()
    body = {"model": "gpt-4o", "messages": []}
    response = await client.post("/v1/messages/count_tokens", json=body, headers=BEARER)
    assert (response.status, (await response.json())["error"]["type"]) == (
        400,
        "invalid_request_error",
    )
    assert (await client.post("/v1/messages/count_tokens", json=body)).status == 401
