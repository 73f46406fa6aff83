"""Pictures on a Codex account by the official SDK: orders, edits, previews, and the tool."""

import asyncio
import base64
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from PIL import Image

from tests.gateway import Gateway, running_demo, running_gateway
from tests.upstream.demo.codex.client import RESPONSES, CodexClient

GENERATIONS, EDITS = "/backend-api/codex/images/generations", "/backend-api/codex/images/edits"
ORDER: dict[str, Any] = {"model": "gpt-image-2", "prompt": "a boat", "size": "96x64"}


class Painter:
    """A caller with an account of Codex's login."""

    def __init__(self, gateway: Gateway, account: CodexClient) -> None:
        self.gateway = gateway
        self.account = account
        key = f"codex:{account.access_token}"
        self.client = AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0)
        self.images = self.client.images

    async def sent(self) -> tuple[str, dict[str, Any]]:
        """Return the latest body that reached the demo, and its path."""
        url = f"{self.account.base}/demo/codex/bodies/1"
        async with self.gateway.session.get(url) as response:
            return response.headers["X-Demo-Path"], await response.json()


@pytest.fixture(params=["anna"])
async def painter(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Painter]:
    async with running_demo() as demo:
        settings = {"codex": {"base_url": f"{demo}/backend-api/codex"}, "upstream": {"retries": 0}}
        async with running_gateway(demo, tmp_path, **settings) as gateway:
            account = CodexClient(gateway.session, demo, request.param)
            await account.exchange()
            made = Painter(gateway, account)
            async with made.client:
                yield made
            assert (await account.stats())["complaints"] == {}


async def looked(is_so: Callable[[], Awaitable[bool]]) -> bool:
    """Tell whether something comes true within as many looks as make a second."""
    for _ in range(50):
        if await is_so():
            return True
        await asyncio.sleep(0.02)
    return False


def opened(content: str) -> Any:
    return Image.open(io.BytesIO(base64.b64decode(content)))


def png(size: tuple[int, int] = (96, 64)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, "red").save(file, "PNG")
    return file.getvalue()


async def test_one_order_is_for_all_pictures_and_tells_what_came(painter: Painter) -> None:
    options = {"quality": "hd", "background": "opaque", "output_format": "webp"}
    more = {"output_compression": 80, "moderation": "low", "user": "me"}
    raw = await painter.images.with_raw_response.generate(**ORDER, n=3, **options, **more)
    assert raw.headers["x-ignored-fields"] == "user"
    reply = raw.parse()
    pictures = [opened(one.b64_json) for one in reply.data]
    assert [(one.format, one.size) for one in pictures] == [("WEBP", (96, 64))] * 3
    assert (reply.size, reply.quality, reply.output_format) == ("96x64", "high", "webp")
    assert (reply.usage.output_tokens, reply.usage.input_tokens) == (3000, 2)
    assert not hasattr(reply.usage, "estimated")
    path, body = await painter.sent()
    del more["user"]
    assert path == GENERATIONS
    assert body == {**ORDER, "n": 3, **options, "quality": "high", **more}


async def test_links_open_without_a_key(painter: Painter) -> None:
    reply = await painter.images.generate(**ORDER, response_format="url")
    async with painter.gateway.session.get(reply.data[0].url) as picture:
        assert Image.open(io.BytesIO(await picture.read())).size == (96, 64)
    assert (await painter.sent())[1] == {**ORDER, "n": 1}


async def test_previews_go_ahead_of_each_picture(painter: Painter) -> None:
    stream = await painter.images.generate(**ORDER, n=2, stream=True, partial_images=2)
    events = [event async for event in stream]
    kinds = ["partial_image", "partial_image", "completed"] * 2
    assert [event.type for event in events] == [f"image_generation.{kind}" for kind in kinds]
    numbers = [getattr(event, "partial_image_index", None) for event in events]
    assert numbers == [0, 1, None] * 2
    assert [opened(event.b64_json).size for event in events[:3]] == [(24, 16), (48, 32), (96, 64)]
    assert [events[at].usage.output_tokens for at in (2, 5)] == [1000, 1000]
    assert (await painter.sent())[1] == {**ORDER, "n": 2, "stream": True, "partial_images": 2}


async def test_an_edit_has_its_pictures_and_a_mask(painter: Painter) -> None:
    files = [("a.png", png()), ("b.png", png((8, 8)))]
    reply = await painter.images.edit(
        **ORDER, image=files, mask=("mask.png", png()), input_fidelity="high"
    )
    assert reply.usage.input_tokens_details.image_tokens == 2000
    path, body = await painter.sent()
    assert path == EDITS
    sent = [place["image_url"] for place in (*body.pop("images"), body.pop("mask"))]
    assert [base64.b64decode(url.partition(",")[2]) for url in sent] == [png(), png((8, 8)), png()]
    assert body == {**ORDER, "n": 1, "input_fidelity": "high"}
    stream = await painter.images.edit(**ORDER, image=files[0], stream=True, partial_images=1)
    kinds = [event.type async for event in stream]
    assert kinds == ["image_edit.partial_image", "image_edit.completed"]


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
async def test_a_variation_is_an_edit(painter: Painter) -> None:
    await painter.images.create_variation(image=("a.png", png()))
    path, body = await painter.sent()
    assert (path, body["model"]) == (EDITS, "gpt-image-2")
    assert "variation" in body["prompt"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"size": "16:9"}, "size"),
        ({"quality": "best"}, "quality"),
        ({"output_format": "svg"}, "output_format"),
        ({"background": "transparent", "output_format": "jpeg"}, "background"),
        ({"n": 11}, "n"),
        ({"quality": "xhigh"}, "quality"),  # the back end's own refusal
    ],
)
async def test_what_cannot_be_is_refused_by_name(
    painter: Painter, fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await painter.images.generate(**{**ORDER, **fields})
    assert caught.value.param == param


async def test_too_many_pictures_to_draw_from_are_refused(painter: Painter) -> None:
    with pytest.raises(openai.BadRequestError, match="up to 5") as caught:
        await painter.images.edit(**ORDER, image=[(f"{at}.png", png()) for at in range(6)])
    assert caught.value.param == "image"


async def test_a_model_of_text_or_one_of_the_tool_alone_draws_by_the_tool(
    painter: Painter,
) -> None:
    for model, tool in (
        ("gpt-6-sol", {}),
        ("gpt-image-2.5-flare", {"model": "gpt-image-2.5-flare"}),
    ):
        asked = {**ORDER, "model": model, "response_format": "b64_json"}
        reply = await painter.images.generate(**asked, n=2)
        assert [opened(one.b64_json).size for one in reply.data] == [(96, 64)] * 2
        assert reply.usage.output_tokens >= 2000
        path, body = await painter.sent()
        drawn = {"type": "image_generation", "size": "96x64", **tool}
        assert (path, body["tools"]) == (RESPONSES, [drawn])
        assert body["input"][0]["content"] == [{"type": "input_text", "text": "a boat"}]


async def test_an_image_model_answers_no_chat(painter: Painter) -> None:
    with pytest.raises(openai.BadRequestError, match="/v1/images/generations") as caught:
        await painter.client.responses.create(model="gpt-image-2", input="Hi")
    assert caught.value.param == "model"


async def test_pictures_and_words_rest_apart(painter: Painter) -> None:
    for _ in range(2):
        with pytest.raises(openai.RateLimitError, match="used up") as caught:
            await painter.images.generate(**{**ORDER, "prompt": "a boat /fault limit:pictures"})
        assert caught.value.response.headers["x-should-retry"] == "false"
    answer = await painter.client.responses.create(model="gpt-6-sol", input="Hello")
    assert answer.output_text
    seen = await painter.account.stats()
    assert (seen["asked_while_resting"], seen["by_status"][f"{GENERATIONS} 429"]) == (0, 1)
    with pytest.raises(openai.RateLimitError):
        await painter.client.responses.create(
            model="gpt-6-sol",
            input="a boat",
            tools=[{"type": "image_generation"}],
            tool_choice={"type": "image_generation"},
        )


@pytest.mark.parametrize("painter", ["free-anna"], indirect=True)
async def test_a_free_plan_has_none(painter: Painter) -> None:
    names = [model.id async for model in painter.client.models.list()]
    assert not [name for name in names if name.startswith("gpt-image")]
    with pytest.raises(openai.PermissionDeniedError):
        await painter.images.generate(**ORDER)


async def test_the_tool_streams_its_previews_in_a_response(painter: Painter) -> None:
    stream = await painter.client.responses.create(
        model="gpt-6-sol",
        input="draw a boat",
        tools=[{"type": "image_generation", "partial_images": 2, "size": "96x64"}],
        stream=True,
    )
    events = [event async for event in stream]
    partials = [one for one in events if one.type.endswith("partial_image")]
    assert [one.partial_image_index for one in partials] == [0, 1]
    assert [opened(one.partial_image_b64).size for one in partials] == [(24, 16), (48, 32)]
    [call] = [item for item in events[-1].response.output if item.type == "image_generation_call"]
    assert (opened(call.result).size, call.status) == ((96, 64), "completed")


async def test_a_picture_is_a_link_in_a_chat(painter: Painter) -> None:
    tool: Any = {"type": "image_generation", "size": "96x64"}
    answer = await painter.client.chat.completions.create(
        model="gpt-6-sol",
        messages=[{"role": "user", "content": "a boat"}],
        tools=[tool],
        tool_choice=tool,
    )
    message = answer.choices[0].message
    assert "/images/" in str(message.content)
    assert message.tool_calls is None
    assert (await painter.sent())[1]["tool_choice"] == {"type": "image_generation"}


@pytest.mark.parametrize(
    ("fault", "fields"),
    [("slow 60", {}), ("stall 1", {"stream": True, "partial_images": 2})],
)
async def test_an_order_ends_when_its_caller_leaves(
    painter: Painter, fault: str, fields: Any
) -> None:
    async def order() -> None:
        drawn = await painter.images.generate(**{**ORDER, "prompt": f"a /fault {fault}"}, **fields)
        async for _ in drawn:
            pass

    async def has_streams(number: int) -> bool:
        return bool((await painter.account.stats())["streams_open"] == number)

    ordering = asyncio.create_task(order())
    assert await looked(lambda: has_streams(1))
    ordering.cancel()
    assert await looked(lambda: has_streams(0))


@pytest.mark.parametrize(
    ("fault", "code"), [("cut 1", "upstream_cut"), ("close 1", "upstream_cut")]
)
async def test_a_stream_that_breaks_off_ends_with_an_error(
    painter: Painter, fault: str, code: str
) -> None:
    order = {**ORDER, "prompt": f"a boat /fault {fault}"}
    stream = await painter.images.generate(**order, stream=True, partial_images=1)
    assert (await anext(stream)).type == "image_generation.partial_image"
    with pytest.raises(openai.APIError) as caught:
        await anext(stream)
    assert caught.value.code == code
