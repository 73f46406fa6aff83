"""Files of a request as they go into it, and what is refused of them."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from service.settings.config import FetchConfig, UpstreamConfig
from service.vocabulary.errors import RequestError
from service.vocabulary.requests import (
    ChatMessage,
    ChatRequest,
    DrawnPart,
    FilePart,
    Part,
    Profile,
    ResultPart,
    TextPart,
)
from storage.files.blobs import FileBlobs
from upstream.codex.payload.items import InlineFile
from upstream.codex.turn import inline_files
from upstream.codex.turn.inline_files import InlineFiles
from upstream.fetching.fetch import Fetcher
from upstream.fetching.host_names import HostNames

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 40
MP3 = b"ID3" + b"\x00" * 40


def data_url(content: bytes, kind: str = "text/plain") -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def sent(path: str, content: bytes, **fields: Any) -> FilePart:
    return FilePart(path, data_url=data_url(content), **fields)


def asking(*parts: Part) -> ChatRequest:
    return ChatRequest(
        request_id="r",
        model="m",
        messages=(ChatMessage("user", (TextPart("Hi"), *parts)),),
        is_stream=False,
        is_usage_wanted=False,
        profile=Profile.WEB,
        public_url="http://gw",
        received_at=0,
    )


@pytest.fixture
async def blobs(tmp_path: Path) -> FileBlobs:
    return FileBlobs(tmp_path)


@pytest.fixture
async def files(tmp_path: Path, blobs: FileBlobs) -> AsyncIterator[InlineFiles]:
    config = FetchConfig()
    async with HostNames(config.resolve_seconds) as names:
        yield InlineFiles(Fetcher(config, UpstreamConfig(), names, tmp_path), blobs)


async def stored(blobs: FileBlobs) -> str:
    async def chunks() -> AsyncIterator[bytes]:
        yield PNG

    return await blobs.save("images", "a.png", "image/png", chunks())


async def test_pictures_and_files_are_told_apart_by_what_they_are(files):
    picture = sent("p1", PNG)
    text = sent("p2", b"hello", filename="a.txt")
    result = ResultPart("call_1", (TextPart("x"), sent("p3", PNG)), "p")
    found = await files.of(asking(picture, text, result))
    assert found["p1"].is_picture
    assert found["p1"].data_url == data_url(PNG, "image/png")
    assert found["p2"] == InlineFile("a.txt", data_url(b"hello"), is_picture=False)
    assert found["p3"].is_picture
    assert await files.of(asking()) == {}


async def test_a_picture_of_an_earlier_answer_comes_from_the_store(files, blobs):
    name = await stored(blobs)
    link = f"http://another.name/images/{name}?expires=1"
    found = await files.of(asking(DrawnPart(FilePart("p1", url=link))))
    assert found == {"p1": InlineFile(name, data_url(PNG, "image/png"), is_picture=True)}


@pytest.mark.parametrize("link", ["http://gw/images/gone.png", "http://127.0.0.1:9/images/x"])
async def test_a_picture_of_an_earlier_answer_that_is_gone_is_left_out(files, link):
    assert await files.of(asking(DrawnPart(FilePart("p1", url=link)))) == {}
    with pytest.raises(RequestError):
        await files.of(asking(FilePart("p1", url=link)))
    with pytest.raises(RequestError):
        await files.of(asking(DrawnPart(FilePart("p1", data_url="data:broken"))))


async def test_a_recording_is_refused(files):
    with pytest.raises(RequestError, match="is a recording") as caught:
        await files.of(asking(sent("p1", MP3)))
    assert (caught.value.status, caught.value.param) == (400, "p1")


async def test_there_is_a_limit_for_a_file_and_one_for_a_request(files, monkeypatch):
    monkeypatch.setattr(inline_files, "MAX_FILE_BYTES", 100)
    monkeypatch.setattr(inline_files, "MAX_REQUEST_BYTES", 250)
    parts = [sent(f"p{number}", b"x" * 100) for number in range(3)]
    assert len(await files.of(asking(*parts[:2]))) == 2
    with pytest.raises(RequestError, match="together"):
        await files.of(asking(*parts))
    with pytest.raises(RequestError, match="over the limit") as caught:
        await files.of(asking(sent("p9", b"x" * 101)))
    assert caught.value.param == "p9"
