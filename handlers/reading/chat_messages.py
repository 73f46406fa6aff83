"""The messages of a request: roles and content parts as callers send them (openai-wire 5)."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from handlers.reading.json_body import quoted, refusal
from service.demands.instructions import call_text, result_text
from service.vocabulary.requests import ChatMessage, FilePart, TextPart

MAX_URL_CHARS = 8_192

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
# These may stand in a history with nothing said: a call, or a tool that printed nothing.
MAY_BE_SILENT = ("assistant", "tool", "function")
FILE_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_DATA_URL = re.compile(r"(?i)data:[^,]{0,512},")
_BASE64_START = re.compile(r"[A-Za-z0-9+/=_\s-]{1,256}")


class WireImageUrl(Struct, frozen=True):
    """A picture: a web address or a data URL."""

    url: str
    detail: str | None = None


class WireFile(Struct, frozen=True):
    """A file: its content, or the id of one that was left here."""

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
    """Return the messages of a history, with calls and their results told in words.

    Raises:
        RequestError: one of them is wrong, or cannot be sent on.
    """
    names: dict[str, str] = {}  # of the functions called so far, by the id of the call
    read = []
    for at, message in enumerate(messages):
        plain = chat_message(message, f"messages[{at}]")
        called = list(_called(message))
        names |= {call_id: call.name for call_id, call in called if call_id}
        if called:
            parts = [TextPart(_call_text(call_id, call)) for call_id, call in called]
            plain = ChatMessage(plain.role, (*plain.parts, *parts))
        elif plain.role == "tool":
            if message.role == "tool" and not message.tool_call_id:
                raise refusal(
                    f"messages[{at}].tool_call_id", "this field is required for a tool's result"
                )
            plain = _result(plain, message, names)
        read.append(plain)
    return tuple(read)


def _called(message: WireMessage) -> Iterator[tuple[str, _Called]]:
    if message.role == "assistant":
        if message.function_call is not None:
            yield "", message.function_call
        for call in message.tool_calls or ():
            if call.function is not None:
                yield call.id, call.function


def _call_text(call_id: str, call: _Called) -> str:
    arguments = call.arguments
    return call_text(
        call_id, call.name, arguments if isinstance(arguments, str) else json.dumps(arguments)
    )


def _result(plain: ChatMessage, message: WireMessage, names: dict[str, str]) -> ChatMessage:
    call_id = message.tool_call_id or ""
    text = result_text(call_id, names.get(call_id) or message.name or "", plain.text)
    files = (part for part in plain.parts if isinstance(part, FilePart))
    return ChatMessage(plain.role, (TextPart(text), *files))


def chat_message(message: WireMessage, path: str) -> ChatMessage:
    """Return a message of the history; `path` is where it stands in the request.

    Raises:
        RequestError: its role or a part of it is wrong, or cannot be sent on.
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
        case _Text(text) | _Refusal(text):
            return TextPart(text)
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
    return located_file(image.url, f"{path}.url")


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
    """Return a file by its id; whether there is one is seen when it is uploaded.

    Raises:
        RequestError: it cannot be an id.
    """
    if not FILE_ID.fullmatch(file_id):
        raise refusal(path, "expected the id of a file that was uploaded here")
    return FilePart(path, file_id=file_id, filename=name)


def sent_file(data: str, path: str, name: str = "") -> FilePart:
    """Return a file that came as a data URL, or in base64 alone.

    Raises:
        RequestError: it is neither.
    """
    if ":" not in data[:16] and _BASE64_START.match(data):
        data = f"data:;base64,{data}"  # the type is told from the content
    return located_file(data, path, name)


def located_file(url: str, path: str, name: str = "") -> FilePart:
    """Return a file by its URL; whether it can be had is seen when it is uploaded.

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
