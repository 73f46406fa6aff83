"""A script to the bytes of an event stream, in either generation.

Source: protocol 2.1 (v0, whole messages), 3 (v1, delta encoding) and 4.1 (noise).
"""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

import msgspec
import orjson

from upstream.demo.ground.script import Begin, Documents, Grow, Note, Script, Step, Wait, Whole

PADDED_EVERY = 5
"""Each fifth delta gets trailing blanks, as recordings show."""
HIGH_SURROGATES = ("\ud800", "\udbff")

Act = Literal["send", "pause", "abort", "stall", "ping_stall"]


class Piece(msgspec.Struct, frozen=True):
    """What is written at once, or done to the connection."""

    data: bytes = b""
    act: Act = "send"
    beats: float = 0.0
    """Pause before it."""
    seconds: float = 0.0
    """Pause before it, whatever a beat is."""
    is_content: bool = False
    is_closing: bool = False
    is_counted: bool = True
    """Whether a resume offset counts it: not pings, not `[DONE]`."""


DONE = Piece(b"data: [DONE]\n\n", is_counted=False)


class Renderer(Protocol):
    """One generation's way to say a step."""

    def feed(self, step: Step) -> Iterator[Piece]:
        """Yield the pieces of one step."""


def render(script: Script, *, is_v1: bool) -> Iterator[Piece]:
    """Yield a whole stream, `[DONE]` included."""
    renderer: Renderer = RenderV1(script) if is_v1 else RenderV0(script)
    if is_v1:
        yield Piece(event(b'"v1"', name="delta_encoding"))
    for step in script.steps:
        yield from renderer.feed(step)
    yield DONE


def with_crlf(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Yield the same pieces with CRLF line ends."""
    for piece in pieces:
        yield msgspec.structs.replace(piece, data=piece.data.replace(b"\n", b"\r\n"))


def event(data: bytes, name: str = "") -> bytes:
    """Return one event."""
    head = f"event: {name}\n".encode() if name else b""
    return b"%sdata: %s\n\n" % (head, data)


def ping() -> Piece:
    """Return a ping as proxies send it."""
    now = datetime.now(tz=UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return Piece(event(now.encode(), name="ping"), is_counted=False)


def dump(value: object) -> bytes:
    """Return JSON; text with half a surrogate pair is escaped."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":")).encode()


class RenderV0:
    """Whole messages, each superseding the last with its id."""

    def __init__(self, script: Script) -> None:
        self._conversation_id = script.conversation_id
        self._documents = Documents()

    def feed(self, step: Step) -> Iterator[Piece]:
        """Yield the pieces of one step."""
        match step:
            case Begin(message) | Whole(message):
                self._documents.begin(message)
                yield self._whole(message)
            case Grow():
                message = _without_half(self._documents.grow(step))
                yield self._whole(message, step)
            case Note(typed):
                yield Piece(event(dump(typed)))
            case Wait(beats):
                yield Piece(act="pause", beats=beats)

    def _whole(self, message: dict[str, Any], step: Grow | None = None) -> Piece:
        return Piece(
            event(dump(_bare(message, self._conversation_id))),
            beats=1 if step and step.is_content else 0,
            is_content=step is not None and step.is_content,
            is_closing=step is not None and step.is_closing,
        )


class RenderV1:
    """Deltas on a document for each message, saying only what differs from the last."""

    def __init__(self, script: Script) -> None:
        self._conversation_id = script.conversation_id
        self._channels: dict[str, int] = {}
        self._sticky: dict[str, Any] = {"p": "", "o": "add", "c": 0}
        self._is_first = True
        self._deltas = 0

    def feed(self, step: Step) -> Iterator[Piece]:
        """Yield the pieces of one step."""
        match step:
            case Begin(message):
                self._channels[message["id"]] = len(self._channels)
                whole = _bare(message, self._conversation_id)
                yield Piece(self._delta("", "add", whole, message["id"]))
            case Whole(message):
                yield Piece(event(dump(_bare(message, self._conversation_id))))
            case Grow():
                yield Piece(
                    self._grown(step),
                    beats=1 if step.is_content else 0,
                    is_content=step.is_content,
                    is_closing=step.is_closing,
                )
            case Note(typed):
                yield Piece(event(dump(typed)))
            case Wait(beats):
                yield Piece(act="pause", beats=beats)

    def _grown(self, step: Grow) -> bytes:
        if len(step.changes) == 1 and not step.base:
            change = step.changes[0]
            return self._delta(change.path, change.operation, change.value, step.message_id)
        nested = [
            {"p": change.path, "o": change.operation, "v": change.value} for change in step.changes
        ]
        return self._delta(step.base, "patch", nested, step.message_id)

    def _delta(self, path: str, operation: str, value: object, message_id: str) -> bytes:
        wanted = {"p": path, "o": operation, "c": self._channels[message_id]}
        said = {
            key: wanted[key] for key in wanted if self._is_first or wanted[key] != self._sticky[key]
        }
        self._sticky = wanted
        self._is_first = False
        channel = {"c": said.pop("c")} if "c" in said else {}
        self._deltas += 1
        padding = b"  " * (self._deltas % PADDED_EVERY == 0)
        return event(dump({**said, "v": value, **channel}) + padding, name="delta")


def _bare(message: dict[str, Any], conversation_id: str) -> dict[str, Any]:
    return {
        "message": message,
        "conversation_id": conversation_id,
        "error": None,
        "error_code": None,
    }


def _without_half(message: dict[str, Any]) -> dict[str, Any]:
    """Leave out half an emoji at the end: whole messages show whole characters."""
    parts = message["content"].get("parts")
    if not parts or not isinstance(parts[0], str) or not parts[0]:
        return message
    if not HIGH_SURROGATES[0] <= parts[0][-1] <= HIGH_SURROGATES[1]:
        return message
    content = {**message["content"], "parts": [parts[0][:-1], *parts[1:]]}
    return {**message, "content": content}
