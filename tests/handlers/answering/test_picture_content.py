import base64
from pathlib import Path
from typing import Any

import msgspec
import pytest

from handlers.answering.picture_content import picture_base64, with_content, without_content
from service.answers.responses import ImageGenerationCall, OutputMessage
from service.vocabulary.errors import StorageError
from storage.files.blobs import FileBlobs

CONTENT = b"\x89PNG, more or less"
PICTURE: dict[str, Any] = {"type": "image_generation_call", "id": "ig_1", "result": "aGk="}
MESSAGE: dict[str, Any] = {"type": "message", "id": "msg_1"}


async def stored(blobs: FileBlobs) -> str:
    async def chunks() -> Any:
        yield CONTENT

    return await blobs.save("images", "p.png", "image/png", chunks())


async def test_a_stored_picture_comes_in_base64(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    content = await picture_base64(blobs, await stored(blobs))
    assert base64.b64decode(content) == CONTENT


@pytest.mark.parametrize("name", ["", "nothing.png", "../state.db"])
async def test_a_picture_that_is_not_there_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(StorageError):
        await picture_base64(FileBlobs(tmp_path), name)


async def test_a_picture_is_kept_by_its_link_and_comes_back_with_its_content(
    tmp_path: Path,
) -> None:
    blobs = FileBlobs(tmp_path)
    url = f"http://gate.example/images/{await stored(blobs)}?until=1&by=2"
    picture = ImageGenerationCall("ig_1", "completed", "aGk=", url=url)
    kept = msgspec.to_builtins(without_content(picture))
    assert kept["result"] is None
    found = await with_content(blobs, kept)
    assert base64.b64decode(found["result"]) == CONTENT


async def test_a_picture_that_is_gone_keeps_its_link(tmp_path: Path) -> None:
    kept = {**PICTURE, "result": None, "url": "http://gate.example/images/gone.png"}
    assert await with_content(FileBlobs(tmp_path), kept) == kept


async def test_other_items_stay_as_they_are(tmp_path: Path) -> None:
    message = OutputMessage("msg_1", "completed", [])
    assert without_content(message) is message
    assert await with_content(FileBlobs(tmp_path), MESSAGE) is MESSAGE
