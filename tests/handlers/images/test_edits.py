import base64
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData
from PIL import Image

from handlers.images.edits import MAX_IMAGES, VARIATION_WORDS
from handlers.images.fields import MASK_WORDS
from service.settings.config import DEFAULT_PROMPT_PREFIX
from service.vocabulary.events import AssetKind, AssetReady, AssetWanted
from service.vocabulary.requests import FilePart
from tests.conftest import StartGateway
from tests.handlers.conftest import Serve
from tests.handlers.scripted import BEARER, END, FACTS, ScriptedTurns, Surroundings

# aiohttp rolls its own streams back with a method that it calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:unread_data:DeprecationWarning")

EDITS, VARIATIONS = "/v1/images/edits", "/v1/images/variations"
WANTED = AssetWanted(AssetKind.PICTURE, "file-service://f", "c", "m")
PICTURE = AssetReady(WANTED, "http://gw/images/x.png", "x.png", "image/png")


def png(colour: str = "red") -> bytes:
    content = BytesIO()
    Image.new("RGB", (8, 8), colour).save(content, "PNG")
    return content.getvalue()


Upload = tuple[str, bytes]


def form(*files: Upload, **fields: str) -> FormData:
    data = FormData(quote_fields=False, default_to_multipart=True)
    for name, value in fields.items():
        data.add_field(name, value)
    for name, content in files:
        data.add_field(name, BytesIO(content), filename=f"{name}.png", content_type="image/png")
    return data


@dataclass
class Drawing(ScriptedTurns):
    """Turns that draw, and that read the given pictures while they exist."""

    contents: list[list[bytes]] = field(default_factory=list)

    async def run(self, request: Any, credential: Any, sink: Any) -> None:
        parts = [part for part in request.messages[0].parts if isinstance(part, FilePart)]
        self.contents.append([part.local.path.read_bytes() for part in parts if part.local])
        await super().run(request, credential, sink)


@pytest.fixture
def turns(around: Surroundings, tmp_path: Path) -> Drawing:
    around.folder = tmp_path
    around.turns = made = Drawing([[FACTS, PICTURE, END]])
    return made


async def post(client: Any, path: str, data: FormData) -> tuple[int, Any]:
    async with client.post(path, data=data, headers=BEARER) as response:
        return response.status, await response.json()


def left(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_a_picture_without_a_file_name_is_told_apart_from_a_text(serve: Serve) -> None:
    head = {**BEARER, "Content-Type": "multipart/form-data; boundary=b"}
    part = b'--b\r\nContent-Disposition: form-data; name="image"\r\n\r\n%b\r\n--b--\r\n' % png()
    client = await serve()
    async with client.post(EDITS, data=part, headers=head) as response:
        error = (await response.json())["error"]
    assert (response.status, error["param"]) == (400, "image")
    assert error["message"] == ("image: this field is not UTF-8; a file is sent with a file name.")


async def test_an_edit_is_a_turn_with_the_pictures(
    serve: Serve, turns: Drawing, tmp_path: Path
) -> None:
    data = form(("image", png()), prompt="add a hat", n="2", size="256x256", user="u")
    status, reply = await post(await serve(), EDITS, data)
    assert (status, [one["url"] for one in reply["data"]]) == (200, [PICTURE.url] * 2)
    request, _ = turns.requests[0]
    text, part = request.messages[0].parts
    assert text.text == f"{DEFAULT_PROMPT_PREFIX}\nprompt:add a hat\nsize:256x256"
    assert (part.path, part.local.name) == ("image", "image.png")
    assert turns.contents == [[png()], [png()]]
    assert request.ignored_fields == ("user",)
    assert left(tmp_path) == []


@pytest.mark.parametrize("name", ["image", "image[]"])
async def test_several_pictures_and_a_mask_keep_their_order(
    name: str, serve: Serve, turns: Drawing
) -> None:
    data = form(("mask", png("white")), (name, png("red")), (name, png("blue")), prompt="add a hat")
    status, _ = await post(await serve(), EDITS, data)
    assert status == 200
    assert turns.contents == [[png("red"), png("blue"), png("white")]]
    request, _ = turns.requests[0]
    text, *parts = request.messages[0].parts
    assert f"prompt:add a hat\n\n{MASK_WORDS}\n" in text.text
    assert [part.path for part in parts] == ["image[0]", "image[1]", "mask"]


async def test_a_variation_needs_no_prompt(serve: Serve, turns: Drawing, tmp_path: Path) -> None:
    status, reply = await post(await serve(), VARIATIONS, form(("image", png()), n="1"))
    assert (status, len(reply["data"])) == (200, 1)
    text, _ = turns.requests[0][0].messages[0].parts
    assert f"\nprompt:{VARIATION_WORDS}\n" in text.text
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    "case",
    [
        (EDITS, [], {"prompt": "x"}, "image"),
        (EDITS, [("mask", png())], {"prompt": "x"}, "image"),
        (EDITS, [], {"prompt": "x", "image": "http://host/a.png"}, "image"),
        (EDITS, [("image", png())], {}, "prompt"),
        (EDITS, [("image", png())], {"prompt": " "}, "prompt"),
        (EDITS, [("image", b"%PDF-1.7 and so on")], {"prompt": "x"}, "image"),
        (EDITS, [("image", b"RIFF1234WAVE")], {"prompt": "x"}, "image"),
        (EDITS, [("image", b"")], {"prompt": "x"}, "image"),
        (EDITS, [("image", png()), ("mask", b"x")], {"prompt": "x"}, "mask"),
        (EDITS, [("image", png()), ("mask", png()), ("mask", png())], {"prompt": "x"}, "mask"),
        (EDITS, [("image[]", png())] * (MAX_IMAGES + 1), {"prompt": "x"}, "image"),
        (EDITS, [("image", png())], {"prompt": "x", "n": "many"}, "n"),
        (EDITS, [("image", png())], {"prompt": "x", "n": "0"}, "n"),
        (EDITS, [("image", png())], {"prompt": "x", "response_format": "gif"}, "response_format"),
        (VARIATIONS, [], {}, "image"),
        (VARIATIONS, [("image", png()), ("image", png())], {}, "image"),
    ],
)
async def test_a_wrong_form_is_a_400_that_names_the_part(
    case: tuple[str, list[Upload], dict[str, str], str],
    serve: Serve,
    turns: Drawing,
    tmp_path: Path,
) -> None:
    path, files, fields, param = case
    status, body = await post(await serve(), path, form(*files, **fields))
    assert (status, body["error"]["param"]) == (400, param), body
    assert turns.requests == []
    assert left(tmp_path) == []


async def test_a_json_body_of_a_variation_is_told_to_be_a_form(
    serve: Serve, turns: Drawing
) -> None:
    client = await serve()
    body = {"prompt": "x", "images": [{"image_url": "https://host/a.png"}]}
    async with client.post(VARIATIONS, json=body, headers=BEARER) as response:
        answer = await response.json()
    assert (response.status, answer["error"]["code"]) == (400, "unsupported_media_type")
    assert turns.requests == []


@pytest.mark.usefixtures("turns")
async def test_a_form_over_the_limit_is_a_413(serve: Serve, tmp_path: Path) -> None:
    client = await serve(server={"max_upload_bytes": 1000})
    status, body = await post(client, EDITS, form(("image", png() + b"x" * 1000), prompt="x"))
    assert (status, body["error"]["code"]) == (413, "body_size_exceeded")
    assert left(tmp_path) == []


async def test_the_pictures_reach_the_upstream(
    demo: str, start_gateway: StartGateway, tmp_path: Path
) -> None:
    gateway = await start_gateway(demo)
    data = form(("image", png()), ("mask", png("white")), prompt="draw a hat", n="2")
    status, reply = await post(gateway.session, f"{gateway.url}{EDITS}", data)
    assert (status, len(reply["data"])) == (200, 2), reply
    assert all(one["url"].startswith(f"{gateway.url}/images/") for one in reply["data"])
    assert [path for path in left(tmp_path) if "uploads" in path.parts] == []


async def test_an_edit_may_come_as_json(serve: Serve, turns: Drawing) -> None:
    url = f"data:image/png;base64,{base64.b64encode(png()).decode()}"
    body = {
        "prompt": "a hat",
        "images": [{"image_url": url}, {"file_id": "file-1"}],
        "mask": {"file_id": "file-2"},
        "quality": "hd",
    }
    response = await (await serve()).post(EDITS, json=body, headers=BEARER)
    assert response.status == 200
    assert response.headers["x-ignored-fields"] == "quality"
    [(chat, _)] = turns.requests
    files = [part for part in chat.messages[0].parts if isinstance(part, FilePart)]
    assert [(file.path, file.data_url, file.file_id) for file in files] == [
        ("images[0].image_url", url, ""),
        ("images[1].file_id", "", "file-1"),
        ("mask.file_id", "", "file-2"),
    ]
    assert f"prompt:a hat\n\n{MASK_WORDS}" in chat.messages[0].text


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "images"),
        ({"images": []}, "images"),
        ({"images": [{"file_id": "f"}] * 17}, "images"),
        ({"images": [{}]}, "images[0]"),
        ({"images": [{"image_url": "ftp://x"}]}, "images[0].image_url"),
        ({"images": [{"file_id": "f", "image_url": "data:,"}]}, "images[0]"),
        ({"images": [{"file_id": "f"}], "mask": {}}, "mask"),
        ({"images": [{"file_id": "f"}], "prompt": None}, "prompt"),
        ({"images": [{"file_id": "f"}], "partial_images": 4}, "partial_images"),
    ],
)
async def test_a_wrong_edit_in_json_is_a_400_that_names_the_field(
    serve: Serve, fields: dict[str, Any], param: str
) -> None:
    response = await (await serve()).post(EDITS, json={"prompt": "a hat", **fields}, headers=BEARER)
    assert (response.status, (await response.json())["error"]["param"]) == (400, param)


async def test_an_edit_is_streamed(demo: str, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(demo)
    data = form(("image", png()), prompt="a hat", size="64x64", stream="true", n="2")
    async with gateway.session.post(f"{gateway.url}{EDITS}", data=data, headers=BEARER) as response:
        body = await response.read()
    assert response.status == 200
    assert body.count(b"event: image_edit.completed\n") == 2
