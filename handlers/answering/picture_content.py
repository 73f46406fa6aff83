"""The content of stored pictures, for answers that contain it in base64."""

import asyncio
import base64
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from msgspec import UNSET, structs

from service.answers.responses import ImageGenerationCall, OutputItem, Reasoning
from service.ports import BlobStore
from service.vocabulary.byte_source import read_all
from service.vocabulary.errors import StorageError

_FOLDER = "images"
_PICTURE = "image_generation_call"


async def picture_base64(blobs: BlobStore, name: str) -> str:
    """Return a stored picture in base64.

    Raises:
        StorageError: it is gone, or cannot be read.
    """
    blob = await blobs.find(_FOLDER, name)
    if blob is None:
        raise StorageError("The picture was stored and cannot be found any more.")
    content = await read_all(blob.content)
    return (await asyncio.to_thread(base64.b64encode, content)).decode()


def without_content(item: OutputItem) -> OutputItem:
    """Return an output item of a response as it is kept: a picture by its URL only, nothing sealed."""
    match item:
        case ImageGenerationCall():
            return structs.replace(item, result=None)
        case Reasoning():
            return structs.replace(item, encrypted_content=UNSET)
        case _:
            return item


async def with_content(blobs: BlobStore, item: dict[str, Any]) -> dict[str, Any]:
    """Return a kept output item with its picture, if that is still there."""
    if item["type"] == _PICTURE and item.get("url"):
        name = urlsplit(item["url"]).path.rpartition("/")[2]
        with suppress(StorageError):
            return {**item, "result": await picture_base64(blobs, name)}
    return item
