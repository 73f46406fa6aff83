"""Reads the messages of a request: roles and content parts as callers send them (openai-wire 5)."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct, structs

from handlers.reading.json_body import quoted, refusal
from service.vocabulary.requests import CallPart, ChatMessage, FilePart, ResultPart, TextPart

MAX_URL_CHARS = 8_192

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
# Roles that may stand in a history without text: a call, or a tool that printed nothing.
MAY_BE_SILENT = ("assistant", "tool", "function")
FILE_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_DATA_URL = re.compile(r"(?i)data:[^,]{0,512},")
_BASE64_START = re.compile(r"[A-Za-z0-9+/=_\s-]{1,256}")


class WireImageUrl(Struct, frozen=True):
    """A picture: a web address or a data URL."""

    url: str
    detail: str | None = None


class WireFile(Struct, frozen=True):
    """A file: its content, or the id of an uploaded one."""

    filename: str | None = None
    file_data: str | None = None
    file_id: str | None = None


class _Text(Struct, frozen=True, tag="text"):
    text: str


class _Refusal(Struct, frozen=True, tag="refusal"):
    refusal: str


class _Image(Struct, frozen=True, tag="image_url"):
    image_url: WireImageUrl | str


class _FileInput(Struct, frozen=True, tag="file"):
    file: WireFile


class _Audio(Struct, frozen=True, tag="input_audio"):
    pass


_Part = _Text | _Refusal | _Image | _FileInput | _Audio


class _Called(Struct, frozen=True):
    name: str
    arguments: str | dict[str, Any] = ""


class _Call(Struct, frozen=True):
    id: str = ""
    function: _Called | None = None


class WireMessage(Struct, frozen=True):
    """One message as it was sent; other keys are accepted and not read."""

    role: str
    content: str | list[_Part] | None = None
    name: str | None = None
    tool_calls: list[_Call] | None = None
    function_call: _Called | None = None
    tool_call_id: str | None = None


def chat_messages(messages: Sequence[WireMessage]) -> tuple[ChatMessage, ...]:
    """Return the messages of a history.

    Raises:
        RequestError: one of them is wrong, or not supported.
    """
    return tuple(_read(message, f"messages[{at}]") for at, message in enumerate(messages))


def _read(message: WireMessage, path: str) -> ChatMessage:
    plain = chat_message(message, path)
    if plain.role == "tool":
        if message.role == "tool" and not message.tool_call_id:
            raise refusal(f"{path}.tool_call_id", "this field is required for a tool's result")
        content = tuple(part for part in plain.parts if isinstance(part, TextPart | FilePart))
        result = ResultPart(message.tool_call_id or "", content, path, message.name or "")
        return ChatMessage(plain.role, (result,))
    if not message.tool_calls and message.function_call is None:
        return plain  # nearly all of them
    return ChatMessage(plain.role, (*plain.parts, *_called(message, path)))


def _called(message: WireMessage, path: str) -> Iterator[CallPart]:
    if message.role == "assistant":
        if message.function_call is not None:
            yield _call("", message.function_call, f"{path}.function_call")
        for at, call in enumerate(message.tool_calls or ()):
            if call.function is not None:
                yield _call(call.id, call.function, f"{path}.tool_calls[{at}]")


def _call(call_id: str, called: _Called, path: str) -> CallPart:
    given = called.arguments
    text = given if isinstance(given, str) else json.dumps(given)
    return CallPart(call_id, called.name, text, path)


def chat_message(message: WireMessage, path: str) -> ChatMessage:
    """Return a message of the history; `path` is its place in the request.

    Raises:
        RequestError: its role or a part of it is wrong, or not supported.
    """
    role = ROLES.get(message.role)
    if role is None:
        choices = ", ".join(f"'{name}'" for name in ROLES)
        raise refusal(f"{path}.role", f"{quoted(message.role)} is no role; use one of {choices}")
    if not message.content and message.content != "" and message.role not in MAY_BE_SILENT:
        raise refusal(
            f"{path}.content", "this message has no content; send a string or a list of parts"
        )
    if isinstance(message.content, str):
        return ChatMessage(role, (TextPart(message.content),))
    parts = enumerate(message.content or ())
    return ChatMessage(role, tuple(_part(p, f"{path}.content[{at}]") for at, p in parts))


def _part(part: _Part, path: str) -> TextPart | FilePart:
    match part:
        case _Text(text):
            return TextPart(text)
        case _Refusal(text):
            return TextPart(text, is_refusal=True)
        case _Image(image):
            return _picture(image, f"{path}.image_url")
        case _FileInput(file):
            return _file(file, f"{path}.file")
        case _Audio():
            raise refusal(
                f"{path}.input_audio", "audio input is not available; send text, pictures or files"
            )


def _picture(image: WireImageUrl | str, path: str) -> FilePart:
    if isinstance(image, str):
        return located_file(image, path)
    return looked_at(located_file(image.url, f"{path}.url"), image.detail)


def looked_at(picture: FilePart, detail: str | None) -> FilePart:
    """Return a picture with its level of detail, where the caller set one."""
    return structs.replace(picture, detail=detail) if detail and detail != "auto" else picture


def _file(file: WireFile, path: str) -> FilePart:
    name = file.filename or ""
    match file.file_data, file.file_id:
        case (None | "", str(file_id)) if file_id:
            return kept_file(file_id, f"{path}.file_id", name)
        case (str(data), None | "") if data:
            return sent_file(data, f"{path}.file_data", name)
        case _:
            raise refusal(path, "expected either 'file_data' or 'file_id'")


def kept_file(file_id: str, path: str, name: str = "") -> FilePart:
    """Return a file by its id; whether it exists is checked at the upload.

    Raises:
        RequestError: the id is malformed.
    """
    if not FILE_ID.fullmatch(file_id):
        raise refusal(path, "expected the id of a file that was uploaded here")
    return FilePart(path, file_id=file_id, filename=name)


def sent_file(data: str, path: str, name: str = "") -> FilePart:
    """Return a file that came as a data URL or as plain base64.

    Raises:
        RequestError: it is neither.
    """
    if ":" not in data[:16] and _BASE64_START.match(data):
        data = f"data:;base64,{data}"  # the type is detected from the content
    return located_file(data, path, name)


def located_file(url: str, path: str, name: str = "") -> FilePart:
    """Return a file by its URL; whether it can be fetched is checked at the upload.

    Raises:
        RequestError: it is neither a web address nor a data URL.
    """
    if _DATA_URL.match(url):
        return FilePart(path, data_url=url, filename=name)
    if len(url) > MAX_URL_CHARS or not _is_web_address(url):
        raise refusal(path, f"expected an http(s) URL or a data URL, got {quoted(url)}")
    return FilePart(path, url=url.strip(), filename=name)


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url.strip())
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False
