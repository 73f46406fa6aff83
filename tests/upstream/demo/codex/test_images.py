"""Pictures by their own paths over a real socket."""

import base64
import io
from typing import Any

import pytest
from PIL import Image

from tests.upstream.demo.codex.client import Answer, CodexClient, NewClient

PATH = "/backend-api/codex/images"
SENT = [{"image_url": "data:image/png;base64,AAAA"}]


async def draw(client: CodexClient, what: str = "generations", **fields: Any) -> Answer:
    return await client.send("POST", f"{PATH}/{what}", {"prompt": "a boat 64x96", **fields})


def opened(encoded: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(encoded)))


async def test_pictures_are_real_and_told_as_they_are(anna: CodexClient) -> None:
    answer = await draw(anna, n=2, size="128x64", quality="high", output_format="jpeg")
    body = answer.json
    shown = [opened(one["b64_json"]) for one in body["data"]]
    assert {(one.format, one.size) for one in shown} == {("JPEG", (128, 64))}
    assert (body["size"], body["quality"], body["output_format"]) == ("128x64", "high", "jpeg")
    usage = body["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert body["data"][0] != body["data"][1]
    assert "x-image-gen-primary-used-percent" in answer.headers


async def test_the_prompt_may_say_the_size(anna: CodexClient) -> None:
    assert (await draw(anna, size="auto")).json["size"] == "64x96"


async def test_an_edit_needs_pictures(anna: CodexClient) -> None:
    body = (await draw(anna, "edits", images=SENT, mask=SENT[0])).json
    assert body["usage"]["input_tokens_details"]["image_tokens"] > 0
    for images in ([], SENT * 6, [{"image_url": "https://example.org/x.png"}], ["x"]):
        assert (await draw(anna, "edits", images=images)).json["error"]["param"] == "images"


@pytest.mark.parametrize(("what", "kind"), [("generations", "generation"), ("edits", "edit")])
async def test_partial_pictures_are_streamed(anna: CodexClient, what: str, kind: str) -> None:
    images = {"images": SENT} if what == "edits" else {}
    answer = await draw(anna, what, stream=True, partial_images=2, **images)
    assert "Content-Type" not in answer.headers
    assert answer.types == [f"image_{kind}.partial_image"] * 2 + [f"image_{kind}.completed"]
    assert [one.get("partial_image_index") for one in answer.events] == [0, 1, None]
    sizes = [opened(one["b64_json"]).size for one in answer.events]
    assert sizes[-1] == (64, 96)
    assert "usage" in answer.last


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": "dall-e-3"}, "model"),
        ({"model": "gpt-image-2.5-flare"}, "model"),
        ({"n": 11}, "n"),
        ({"partial_images": 4}, "partial_images"),
        ({"prompt": ""}, "prompt"),
        ({"response_format": "url"}, "response_format"),
        ({"quality": ["high"]}, "quality"),
        ({"images": SENT}, "images"),
        ({"mask": "x"}, "images"),
    ],
)
async def test_fields_are_refused_by_name(
    anna: CodexClient, fields: dict[str, Any], param: str
) -> None:
    answer = await draw(anna, **fields)
    assert (answer.status, answer.json["error"]["param"]) == (400, param)


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_the_path_may_be_closed(anna: CodexClient, status: int) -> None:
    assert (await draw(anna, prompt=f"a boat /fault {status}")).status == status


async def test_a_field_may_be_unknown_to_it(anna: CodexClient) -> None:
    answer = await draw(anna, prompt="a boat /fault 400:partial_images", partial_images=1)
    assert answer.json["error"]["param"] == "partial_images"


async def test_pictures_have_a_limit_of_their_own(anna: CodexClient) -> None:
    assert (await draw(anna, prompt="/fault limit:pictures 60")).status == 429
    answer = await draw(anna)
    assert (answer.status, answer.json["error"]["type"]) == (429, "usage_limit_reached")
    assert (await anna.ask("hello")).status == 200


async def test_a_free_plan_has_no_pictures(new_client: NewClient) -> None:
    free = new_client("free-bob")
    await free.exchange()
    answer = await draw(free)
    assert (answer.status, answer.json["error"]["type"]) == (429, "usage_not_included")
