"""A script to the bytes of an event stream, in either generation.

Source: protocol 2.1 (v0, whole messages), 3 (v1, delta encoding) and 4.1 (noise).
"""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec
import orjson

from upstream.demo.ground.delivery import Piece
from upstream.demo.scenes.script import (
    Begin,
    Documents,
    Grow,
    Message,
    Note,
    Script,
    Wait,
)

PADDED_EVERY = 5
"""Each fifth delta gets trailing blanks, as recordings show."""
HIGH_SURROGATES = ("\ud800", "\udbff")

PING_BEATS = 3.0
"""A silence of this many beats ends with a ping."""
DONE = Piece(b"data: [DONE]\n\n", is_counted=False)


class Renderer(Protocol):
    """One generation's way to send messages and their changes."""

    def begin(self, message: Message) -> bytes:
        """Return the event by which a message appears."""

    def grow(self, step: Grow) -> bytes:
        """Return the event by which it changes."""


def render(script: Script, *, is_v1: bool) -> Iterator[Piece]:
    """Yield a whole stream, `[DONE]` included."""
    renderer: Renderer = RenderV1(script) if is_v1 else RenderV0(script)
    if is_v1:
        yield Piece(event(b'"v1"', name="delta_encoding"))
    for step in script.steps:
        match step:
            case Begin(message, is_echo):
                yield Piece(_whole(message, script) if is_echo else renderer.begin(message))
            case Grow():
                yield Piece(
                    renderer.grow(step),
                    beats=1 if step.is_content else 0,
                    is_content=step.is_content,
                    is_closing=step.is_closing,
                )
            case Note(typed):
                yield Piece(event(dump(typed)))
            case Wait(beats):
                data = ping() if beats >= PING_BEATS else b""
                yield Piece(data, beats=beats, is_counted=False)
    yield DONE


def with_crlf(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Yield the same pieces with CRLF line ends."""
    for piece in pieces:
        yield msgspec.structs.replace(piece, data=piece.data.replace(b"\n", b"\r\n"))


def event(data: bytes, name: str = "") -> bytes:
    """Return one event."""
    head = f"event: {name}\n".encode() if name else b""
    return b"%sdata: %s\n\n" % (head, data)


def ping() -> bytes:
    """Return a ping as proxies send it."""
    now = datetime.now(tz=UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return event(now.encode(), name="ping")


def dump(value: object) -> bytes:
    """Return JSON; text with half a surrogate pair is escaped."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":")).encode()


class RenderV0:
    """Whole messages, each superseding the last with its id."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._documents = Documents()

    def begin(self, message: Message) -> bytes:
        """Return a message as it is at first."""
        self._documents.begin(message)
        return _whole(message, self._script)

    def grow(self, step: Grow) -> bytes:
        """Return the message as it is after changes."""
        return _whole(_without_half(self._documents.grow(step)), self._script)


class RenderV1:
    """Deltas on a document for each message, saying only what differs from the last."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._channels: dict[str, int] = {}
        self._sticky: dict[str, Any] = {}
        self._deltas = 0

    def begin(self, message: Message) -> bytes:
        """Return a new document."""
        self._channels[message["id"]] = len(self._channels)
        return self._delta("", "add", _bare(message, self._script), message["id"])

    def grow(self, step: Grow) -> bytes:
        """Return changes, as a patch if there are several."""
        if len(step.changes) == 1 and not step.base:
            change = step.changes[0]
            return self._delta(change.path, change.operation, change.value, step.message_id)
        nested = [{"p": one.path, "o": one.operation, "v": one.value} for one in step.changes]
        return self._delta(step.base, "patch", nested, step.message_id)

    def _delta(self, path: str, operation: str, value: object, message_id: str) -> bytes:
        wanted = {"p": path, "o": operation, "c": self._channels[message_id]}
        said = {key: one for key, one in wanted.items() if one != self._sticky.get(key)}
        self._sticky = wanted
        channel = {"c": said.pop("c")} if "c" in said else {}
        self._deltas += 1
        padding = b"  " * (self._deltas % PADDED_EVERY == 0)
        return event(dump({**said, "v": value, **channel}) + padding, name="delta")


def _bare(message: Message, script: Script) -> dict[str, Any]:
    no_error = {"error": None, "error_code": None}
    return {"message": message, "conversation_id": script.conversation_id, **no_error}


def _whole(message: Message, script: Script) -> bytes:
    return event(dump(_bare(message, script)))


def _without_half(message: Message) -> Message:
    """Leave out half an emoji at the end: whole messages show whole characters."""
    parts = message["content"].get("parts")
    if not parts or not isinstance(parts[0], str) or not parts[0]:
        return message
    if not HIGH_SURROGATES[0] <= parts[0][-1] <= HIGH_SURROGATES[1]:
        return message
    content = {**message["content"], "parts": [parts[0][:-1], *parts[1:]]}
    return {**message, "content": content}
