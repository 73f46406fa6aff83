"""The content of stored pictures, for answers that contain it in base64."""

import asyncio
import base64
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from msgspec import structs

from service.answers.responses import ImageGenerationCall, OutputItem
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
    """Return an output item as it is stored: a picture by its URL only."""
    return structs.replace(item, result=None) if isinstance(item, ImageGenerationCall) else item


async def with_content(blobs: BlobStore, item: dict[str, Any]) -> dict[str, Any]:
    """Return a stored output item with its picture's content, if that still exists."""
    if item["type"] == _PICTURE:
        name = urlsplit(item["url"]).path.rpartition("/")[2]
        with suppress(StorageError):
            return {**item, "result": await picture_base64(blobs, name)}
    return item
