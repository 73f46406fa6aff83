"""The official Python SDK with files and pictures that callers send, against gateway and demo."""

import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from io import BytesIO
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from PIL import Image, ImageChops

from tests.conftest import StartGateway
from tests.gateway import Gateway
from upstream.demo.ground import pictures as demo_pictures

# aiohttp rewinds its own streams by a method that it has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:unread_data:DeprecationWarning")

LIMIT = 3_000_000


@pytest.fixture
async def gateway(demo: str, start_gateway: StartGateway) -> Gateway:
    fetch = {"allow_hosts": ["127.0.0.1"], "allow_private": True}  # where the tests' pictures are
    return await start_gateway(demo, server={"max_upload_bytes": LIMIT}, fetch=fetch)


@pytest.fixture
async def clients(gateway: Gateway) -> AsyncIterator[list[AsyncOpenAI]]:
    """Return two callers, and the first again with another of its accounts."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                AsyncOpenAI(api_key=key, base_url=f"{gateway.url}/v1", max_retries=0)
            )
            for key in ("ada-s-refresh-token", "bob-s-refresh-token", "ada-s-refresh-token,team")
        ]


@pytest.fixture
def ada(clients: list[AsyncOpenAI]) -> AsyncOpenAI:
    return clients[0]


def picture(colour: str = "red", size: tuple[int, int] = (64, 48)) -> bytes:
    content = BytesIO()
    Image.new("RGBA", size, colour).save(content, "PNG")
    return content.getvalue()


def asking(file_id: str, text: str = "What is in it?") -> list[Any]:
    parts = [{"type": "text", "text": text}, {"type": "file", "file": {"file_id": file_id}}]
    return [{"role": "user", "content": parts}]


def stored(folder: Path) -> list[str]:
    return [path.name for path in (folder / "uploads").rglob("*") if path.is_file()]


async def test_a_file_is_created_retrieved_read_listed_and_deleted(
    ada: AsyncOpenAI, tmp_path: Path
) -> None:
    made = await ada.files.create(file=("报告 1.txt", b"a,b\r\n1,2\r\n"), purpose="user_data")
    assert (made.filename, made.bytes, made.purpose) == ("报告 1.txt", 10, "user_data")
    assert (made.object, made.status) == ("file", "processed")
    assert await ada.files.retrieve(made.id) == made
    assert (await ada.files.content(made.id)).content == b"a,b\r\n1,2\r\n"
    other = await ada.files.create(file=tmp_path_file(tmp_path), purpose="vision")
    assert [file.id async for file in ada.files.list()] == [other.id, made.id]
    assert [file.id async for file in ada.files.list(limit=1)] == [other.id, made.id]
    assert [file.id async for file in ada.files.list(purpose="vision")] == [other.id]
    gone = await ada.files.delete(made.id)
    assert (gone.id, gone.deleted) == (made.id, True)
    with pytest.raises(openai.NotFoundError) as caught:
        await ada.files.retrieve(made.id)
    assert caught.value.code == "not_found"


def tmp_path_file(folder: Path) -> Path:
    path = folder / "picture.png"
    path.write_bytes(picture())
    return path


@pytest.mark.parametrize(
    ("name", "content"), [("notes.txt", b"Boats float."), ("photo.png", picture())]
)
async def test_a_chat_reads_a_file_by_its_id(name: str, content: bytes, ada: AsyncOpenAI) -> None:
    made = await ada.files.create(file=(name, content), purpose="user_data")
    for _ in range(2):  # the second time it is already upstream
        reply = await ada.chat.completions.create(model="gpt-4o", messages=asking(made.id))
        assert name in reply.choices[0].message.content


async def sent_by(gateway: Gateway, demo: str) -> list[Any]:
    """Return the attachments that reached the upstream with the last turn."""
    async with gateway.session.get(f"{demo}/demo/turns/1") as response:
        turn = await response.json()
    entries = turn["messages"][-1]["metadata"]["attachments"]
    for entry in entries:
        async with gateway.session.get(f"{demo}/blob/{entry['id']}?se=2030&sig=demo") as response:
            assert response.status == 200
            entry["content"] = await response.read()
    return entries


@pytest.mark.parametrize("is_stream", [False, True])
async def test_pictures_by_url_and_as_data_and_files_as_data_reach_the_upstream(
    is_stream: bool, ada: AsyncOpenAI, gateway: Gateway, demo: str
) -> None:
    made = await ada.images.generate(prompt="a boat", model="gpt-4o", size="64x64")
    assert made.data is not None
    async with gateway.session.get(str(made.data[0].url)) as response:
        boat = await response.read()
    data = base64.b64encode(picture()).decode()
    notes = base64.b64encode(b"Boats float.").decode()
    parts: Any = [
        {"type": "text", "text": "What is in them?"},
        {"type": "image_url", "image_url": {"url": made.data[0].url}},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
        {"type": "file", "file": {"filename": "notes.txt", "file_data": notes}},
    ]
    asked: Any = {"model": "gpt-4o", "messages": [{"role": "user", "content": parts}]}
    if is_stream:
        async with ada.chat.completions.stream(**asked) as stream:
            said = (await stream.get_final_completion()).choices[0].message.content
    else:
        said = (await ada.chat.completions.create(**asked)).choices[0].message.content
    assert "notes.txt" in str(said)
    sent = await sent_by(gateway, demo)
    assert [entry["content"] for entry in sent] == [boat, picture(), b"Boats float."]
    for entry, own in zip(sent, (boat, picture()), strict=False):
        with Image.open(BytesIO(entry["content"])) as got, Image.open(BytesIO(own)) as wanted:
            assert (got.size, got.tobytes()) == (wanted.size, wanted.tobytes())
            assert (entry["width"], entry["height"]) == wanted.size


async def test_accounts_never_share_or_read_each_other_s_files(
    clients: list[AsyncOpenAI],
) -> None:
    ada, *strangers = clients
    made = await ada.files.create(file=("a.txt", b"secret"), purpose="user_data")
    for stranger in strangers:
        assert [file async for file in stranger.files.list()] == []
        for call in (stranger.files.retrieve, stranger.files.content, stranger.files.delete):
            with pytest.raises(openai.NotFoundError, match="No such File object"):
                await call(made.id)
        with pytest.raises(openai.BadRequestError) as caught:
            await stranger.chat.completions.create(model="gpt-4o", messages=asking(made.id))
        assert (caught.value.code, caught.value.param) == (
            "invalid_attachment",
            "messages[0].content[1].file.file_id",
        )
    assert (await ada.files.content(made.id)).content == b"secret"


async def test_a_file_that_was_deleted_cannot_be_asked_about(ada: AsyncOpenAI) -> None:
    made = await ada.files.create(file=("a.txt", b"hello"), purpose="user_data")
    await ada.files.delete(made.id)
    with pytest.raises(openai.BadRequestError, match="unknown here"):
        await ada.chat.completions.create(model="gpt-4o", messages=asking(made.id))


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("../../etc/passwd", "passwd"),
        ("/etc/shadow", "shadow"),
        ("C:\\Windows\\x.ini", "x.ini"),
        ("..", "file"),
        ("😀" * 1024 + ".txt", "😀" * 251 + ".txt"),
    ],
)
async def test_a_hostile_name_is_only_a_name(
    written: str, name: str, ada: AsyncOpenAI, tmp_path: Path
) -> None:
    made = await ada.files.create(file=(written, b"hello"), purpose="user_data")
    assert made.filename == name
    assert sorted(stored(tmp_path)) == [made.id, f"{made.id}.json"]


async def test_a_file_over_the_limit_is_refused(ada: AsyncOpenAI, tmp_path: Path) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        await ada.files.create(file=("a.bin", b"x" * (LIMIT + 1)), purpose="user_data")
    assert (caught.value.status_code, caught.value.code) == (413, "body_size_exceeded")
    assert stored(tmp_path) == []


async def test_a_dead_key_may_not_leave_files(gateway: Gateway, tmp_path: Path) -> None:
    async with AsyncOpenAI(
        api_key="dead-token", base_url=f"{gateway.url}/v1", max_retries=0
    ) as client:
        with pytest.raises(openai.AuthenticationError):
            await client.files.create(file=("a.txt", b"hello"), purpose="user_data")
    assert stored(tmp_path) == []


async def test_a_picture_is_edited_with_a_mask(
    ada: AsyncOpenAI, gateway: Gateway, demo: str, tmp_path: Path
) -> None:
    reply = await ada.images.edit(
        image=("photo.png", picture()),
        mask=("mask.png", picture("#ffffff00")),
        prompt="add a hat",
        n=2,
        size="256x256",
        response_format="url",
    )
    assert reply.data is not None
    assert len(reply.data) == 2
    for one in reply.data:
        assert one.url is not None
        assert one.url.startswith(f"{gateway.url}/images/")
        async with gateway.session.get(one.url) as response:
            content = await response.read()
        with Image.open(BytesIO(content)) as drawn:
            assert drawn.format == "PNG"
            assert "add a hat" in str(one.revised_prompt)
            prompt = str(one.revised_prompt).removeprefix("A demo picture of: ")
            assert is_same(drawn, demo_pictures.draw(prompt, 256, 256))
    sent = await sent_by(gateway, demo)
    assert [entry["content"] for entry in sent] == [picture(), picture("#ffffff00")]
    assert stored(tmp_path) == []


def is_same(got: Image.Image, content: bytes) -> bool:
    with Image.open(BytesIO(content)) as wanted:
        return got.size == wanted.size and not ImageChops.difference(got, wanted).getbbox()


async def test_several_pictures_are_edited_into_data(ada: AsyncOpenAI) -> None:
    images = [("a.png", picture()), ("b.png", picture("blue"))]
    reply = await ada.images.edit(model="gpt-image-1", image=images, prompt="put them side by side")
    assert reply.data is not None
    assert reply.data[0].b64_json


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # OpenAI's own have gone
async def test_a_variation_is_drawn(ada: AsyncOpenAI) -> None:
    reply = await ada.images.create_variation(image=("photo.png", picture()))
    assert reply.data is not None
    assert reply.data[0].url


async def test_what_is_no_picture_cannot_be_edited(ada: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await ada.images.edit(image=("a.png", b"not a picture"), prompt="add a hat")
    assert (caught.value.code, caught.value.param) == ("invalid_attachment", "image")
