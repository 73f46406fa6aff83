"""File ids of a request -> the files that their owner has left here (openai-wire 9)."""

from pathlib import Path

import msgspec

from service.ports import UploadStore
from service.vocabulary.requests import (
    ChatMessage,
    ChatRequest,
    FilePart,
    LocalFile,
    RemoteFile,
    TextPart,
)
from upstream.fetching.fetch import part_error


async def located(request: ChatRequest, uploads: UploadStore, owner: str) -> ChatRequest:
    """Return the request with each file id replaced by where that file is.

    Raises:
        RequestError: this owner has no file of that id; names the part.
        StorageError: the store is out of order.
    """
    if not any(_names_one(part) for message in request.messages for part in message.parts):
        return request
    messages = [await _located(message, uploads, owner) for message in request.messages]
    return msgspec.structs.replace(request, messages=tuple(messages))


def _names_one(part: TextPart | FilePart) -> bool:
    return isinstance(part, FilePart) and bool(part.file_id)


async def _located(message: ChatMessage, uploads: UploadStore, owner: str) -> ChatMessage:
    parts = [
        await _found(part, uploads, owner) if isinstance(part, FilePart) and part.file_id else part
        for part in message.parts
    ]
    return msgspec.structs.replace(message, parts=tuple(parts))


async def _found(part: FilePart, uploads: UploadStore, owner: str) -> FilePart:
    upload = await uploads.find(owner, part.file_id)
    if upload is None:
        raise part_error(part, "has an id that is unknown here; upload it to /v1/files first")
    content = uploads.content(owner, upload)
    if isinstance(content, Path):
        local = LocalFile(content, upload.name, upload.media_type, upload.size_bytes, upload.sha256)
        return msgspec.structs.replace(part, file_id="", local=local)
    return msgspec.structs.replace(part, file_id="", remote=RemoteFile(upload, content))
