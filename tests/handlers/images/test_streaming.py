"""Image orders answered with events."""

import asyncio
import base64
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from service.vocabulary.errors import QueueFullError
from service.vocabulary.events import AnswerText, AssetKind, AssetReady, AssetWanted
from tests.conftest import StartGateway
from tests.gateway import ACCESS_TOKEN, Gateway
from tests.handlers.conftest import Serve
from tests.handlers.images.test_generations import is_drawn, order
from tests.handlers.scripted import END, FACTS, Surroundings

WANTED = AssetWanted(AssetKind.PICTURE, "file-service://f", "c", "m")
PICTURE = AssetReady(WANTED, "http://gw/images/x.png", "x.png", "image/png")
REFUSED = QueueFullError("Too many.")


@pytest.fixture
async def gateway(demo: str, start_gateway: StartGateway) -> Gateway:
    return await start_gateway(demo, upstream={"retries": 0, "streams_per_account": 1})


async def events_of(gateway: Gateway, prompt: str, **fields: Any) -> list[Any]:
    async with AsyncOpenAI(
        api_key=ACCESS_TOKEN, base_url=f"{gateway.url}/v1", max_retries=0
    ) as client:
        stream = await client.images.generate(prompt=prompt, size="128x64", stream=True, **fields)
        return [event async for event in stream]


async def test_each_picture_is_an_event(gateway: Gateway) -> None:
    events = await events_of(gateway, "two otters", n=3)
    assert [event.type for event in events] == ["image_generation.completed"] * 3
    for event in events:
        assert is_drawn(base64.b64decode(event.b64_json), "two otters")
        assert (event.size, event.output_format) == ("128x64", "png")
        assert event.usage.total_tokens > 0
    assert await gateway.outcomes() == {"complete": 1}


async def test_previews_go_ahead_of_their_picture_if_they_are_wanted(gateway: Gateway) -> None:
    prompt = "an otter with a preview"
    preview, picture = await events_of(gateway, prompt, partial_images=2)
    assert (preview.type, preview.partial_image_index) == ("image_generation.partial_image", 0)
    assert base64.b64decode(preview.b64_json).startswith(b"\x89PNG")
    assert preview.b64_json != picture.b64_json
    assert [event.type for event in await events_of(gateway, prompt)] == [picture.type]


async def test_a_refusal_before_the_first_event_has_its_status(gateway: Gateway) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await events_of(gateway, "something forbidden")
    assert caught.value.code == "content_policy_violation"


async def test_links_may_be_asked_for(serve: Serve, around: Surroundings) -> None:
    around.turns.script = [[FACTS, PICTURE, END]]
    response = await order(await serve(), stream=True, response_format="url", quality="hd")
    assert response.content_type == "text/event-stream"
    assert response.headers["x-ignored-fields"] == "quality"
    assert b'"url":"http://gw/images/x.png"' in await response.read()


@pytest.mark.parametrize(
    ("last", "code"),
    [
        (REFUSED, "rate_limit_exceeded"),
        ([AnswerText("No."), END], "content_policy_violation"),
        (ZeroDivisionError(), "internal_error"),
    ],
)
async def test_a_failure_after_the_head_is_an_error_event(
    serve: Serve, around: Surroundings, last: Any, code: str
) -> None:
    around.turns.script = [0.3, last]
    client = await serve(stream={"head_seconds": 0.05, "keep_alive_seconds": 0.05})
    response = await order(client, stream=True)
    body = await response.read()
    assert response.status == 200
    assert body.count(b": ping\n\n") > 2
    assert b"event: error\n" in body
    assert f'"code":"{code}"'.encode() in body


async def test_a_caller_that_leaves_ends_its_turns(serve: Serve, around: Surroundings) -> None:
    around.turns.script = [[FACTS], 30.0]
    client = await serve(stream={"head_seconds": 0.01, "keep_alive_seconds": 0.02})
    response = await order(client, stream=True, n=2)
    response.close()
    async with asyncio.timeout(20):
        await around.turns.closed.wait()
