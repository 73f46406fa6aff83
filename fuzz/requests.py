"""Shared by the targets of request bodies: how a request may be refused, and what it may become."""

import asyncio
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec

from handlers.reading.common_fields import Arrival
from handlers.reading.demand_fields import checked
from service.demands.instructions import instructed
from service.vocabulary.errors import RequestError
from service.vocabulary.requests import ChatRequest, FilePart, Profile
from service.vocabulary.wire import error_of, to_json
from upstream.website.payload.attachments import UploadedFile
from upstream.website.payload.turn_body import ResolvedModel, build_turn

ARRIVAL = Arrival("req-1", 1.0, "https://gateway.example", Profile.WEB)
MAX_MESSAGE_CHARS = 2000
MAX_FIELDS_CHARS = 4096  # of the header that names ignored fields
TOKENS = (
    *(b'{"', b'"model":"gpt-4o"', b'"messages":[', b'"role":"user"', b'"content":', b'"input":'),
    *(
        b'"prompt":',
        b'"tools":[',
        b'"type":"function"',
        b'"function":{"name":"f"',
        b'"parameters":',
    ),
    *(b'"tool_choice":', b'"response_format":', b'"json_schema"', b'"schema":{"type":"object"'),
    *(b'"image_url":', b'"data:image/png;base64,', b'"https://e.org/a.png"', b'"file_data"'),
    *(b'"stop":', b'"n":1', b'"max_tokens":', b"null", b"true", b"false", b"[]", b"{}", b"-1"),
    *(b"1e999", b"9007199254740993", b'"\\ud83d"', b"\\u0000", b"\xef\xbb\xbf", b"\xff", b'""'),
    *(b'"type":"input_text","text":"', b'"type":"message"', b'"function_call_output"', b'"$ref":'),
    *(b'"pattern":', b'"size":"1024x1024"', b'"stream":true', b'"render_profile":"bot"', b"NaN"),
)


def tried(read: Callable[[], Any]) -> Any:
    """Return the result of `read`, or None if it refuses the input in a proper way."""
    try:
        return read()
    except RequestError as error:
        failure = error.failure()
        assert 400 <= failure.status < 500, "a request that is wrong, and another status"
        assert 0 < len(failure.message) <= MAX_MESSAGE_CHARS, f"{len(failure.message)} characters"
        assert len(failure.param or "") <= MAX_MESSAGE_CHARS, "a long path"
        json.loads(to_json(error_of(failure)))
        return None


def check_chat(chat: ChatRequest) -> None:
    """Check the guarantees that every dialect's reader gives to the rest of the code."""
    assert chat.model == chat.model.strip() != "", "no model"
    assert chat.model.isprintable(), "a model that is no name"
    assert all(message.role in ("system", "user", "assistant", "tool") for message in chat.messages)
    assert chat.max_tokens is None or chat.max_tokens > 0
    assert all(chat.stop), "an empty stop"
    named = ", ".join(chat.ignored_fields)
    assert len(named) <= MAX_FIELDS_CHARS and named.isascii() and named.isprintable()
    if tried(lambda: _loop().run_until_complete(checked(chat, is_native=False))) is not None:
        told = instructed(chat)
        assert (told.demand is None) == (chat.demand is None)
        _check_turn(told)


def _check_turn(chat: ChatRequest) -> None:
    """Check that the turn is valid JSON to send, whatever the caller wrote."""
    parts = [part for message in chat.messages for part in message.parts]
    files = {
        part.path: UploadedFile("file-1", "a", "image/png", 1, "multimodal")
        for part in parts
        if isinstance(part, FilePart)
    }
    assert len(files) == sum(isinstance(part, FilePart) for part in parts), "a path used twice"
    body = build_turn(chat, ResolvedModel(chat.model), files).body
    sent = json.loads(msgspec.json.encode(body))
    assert len(sent["messages"]) == len(chat.messages)


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


def plain(body: bytes) -> Any:
    """Return the JSON value as the standard library reads it, or None.

    Fields that are not read may have invalid UTF-8.
    """
    try:
        return json.loads(body.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
