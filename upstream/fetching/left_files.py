"""Replaces the file ids of a request by the files that their owner left here (openai-wire 9)."""

from pathlib import Path

from msgspec import structs

from service.ports import UploadStore
from service.vocabulary.credentials import Credential
from service.vocabulary.requests import (
    ChatMessage,
    ChatRequest,
    DrawnPart,
    FilePart,
    LocalFile,
    Part,
    RemoteFile,
    ResultPart,
    TextPart,
)
from upstream.fetching.fetch import part_error


async def located(
    request: ChatRequest, uploads: UploadStore, credential: Credential
) -> ChatRequest:
    """Return the request with each file id replaced by the place of its file.

    Raises:
        RequestError: the owner has no file of that id; names the part.
        StorageError: the store is out of order.
    """
    others = [
        part
        for message in request.messages
        for part in message.parts
        if not isinstance(part, TextPart)
    ]
    if not any(map(_names_one, others)):
        return request
    owner = credential.owner
    messages = [await _located(message, uploads, owner) for message in request.messages]
    return structs.replace(request, messages=tuple(messages))


def _names_one(part: Part) -> bool:
    match part:
        case FilePart():
            return bool(part.file_id)
        case DrawnPart(file):
            return bool(file.file_id)
        case ResultPart():
            return any(_names_one(each) for each in part.content)
        case _:
            return False


async def _located(message: ChatMessage, uploads: UploadStore, owner: str) -> ChatMessage:
    parts = [await _located_part(part, uploads, owner) for part in message.parts]
    return structs.replace(message, parts=tuple(parts))


async def _located_part(part: Part, uploads: UploadStore, owner: str) -> Part:
    match part:
        case FilePart():
            return await _found(part, uploads, owner)
        case DrawnPart(file):
            return DrawnPart(await _found(file, uploads, owner))
        case ResultPart():
            content = [
                await _found(each, uploads, owner) if isinstance(each, FilePart) else each
                for each in part.content
            ]
            return structs.replace(part, content=tuple(content))
        case _:
            return part


async def _found(part: FilePart, uploads: UploadStore, owner: str) -> FilePart:
    if not part.file_id:
        return part
    upload = await uploads.find(owner, part.file_id)
    if upload is None:
        raise part_error(part, "has an id that is unknown here; upload it to /v1/files first")
    content = uploads.content(owner, upload)
    if isinstance(content, Path):
        local = LocalFile(content, upload.name, upload.media_type, upload.size_bytes, upload.sha256)
        return structs.replace(part, file_id="", local=local)
    return structs.replace(part, file_id="", remote=RemoteFile(upload, content))
