"""File ids of a request -> the files that their owner has left here (openai-wire 9)."""

import msgspec

from service.chat import ChatMessage, ChatRequest, FilePart, TextPart
from service.ports import UploadStore
from upstream.fetch import part_error


def located(request: ChatRequest, uploads: UploadStore, owner: str) -> ChatRequest:
    """Return the request with each file id replaced by where that file is.

    Raises:
        RequestError: this owner has no file of that id; names the part.
    """
    if not any(_names_one(part) for message in request.messages for part in message.parts):
        return request
    messages = tuple(_located(message, uploads, owner) for message in request.messages)
    return msgspec.structs.replace(request, messages=messages)


def _names_one(part: TextPart | FilePart) -> bool:
    return isinstance(part, FilePart) and bool(part.file_id)


def _located(message: ChatMessage, uploads: UploadStore, owner: str) -> ChatMessage:
    parts = tuple(
        _found(part, uploads, owner) if isinstance(part, FilePart) and part.file_id else part
        for part in message.parts
    )
    return ChatMessage(message.role, parts)


def _found(part: FilePart, uploads: UploadStore, owner: str) -> FilePart:
    upload = uploads.find(owner, part.file_id)
    if upload is None:
        raise part_error(part, "has an id that is unknown here; upload it to /v1/files first")
    return msgspec.structs.replace(part, file_id="", local=uploads.content(owner, upload))
