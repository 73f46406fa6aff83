"""Frame -> UpstreamEvent: both stream generations and all typed events (protocol 2.1, 3, 4).

Events may come in any order in one stream. An unknown one becomes `Unknown`, to be counted, and has
no other effect.
"""

import re
from collections.abc import Callable, Collection, Iterator
from typing import Any

from service.stages.decode.changes import AnswerGrew
from service.stages.decode.delta_v1 import DecodeDelta, unknown_operation
from service.stages.decode.known_words import plain_word, sketch
from service.stages.decode.loose_json import UNREADABLE, loose_json
from service.stages.decode.messages import read_message
from service.upstream_errors.refusals import fault_failure, without_secrets
from service.vocabulary.errors import UpstreamProtocolError
from service.vocabulary.events import (
    ConversationNamed,
    DoneReceived,
    Frame,
    HandedOff,
    InputEchoed,
    MessageSnapshot,
    ModelNamed,
    Moderated,
    ResumeOffered,
    StreamCompleted,
    TextAppended,
    Unknown,
    UpstreamEvent,
    UpstreamFault,
    WebSocketHandOff,
)

_SAMPLE_CHARS = 200
_SAMPLE_BYTES = 4 * _SAMPLE_CHARS  # enough in every script
_KIND_CHARS = 64  # a kind becomes a label of a metric and part of a log line
_DONE = b"[DONE]"
_PING = re.compile(rb"\d{4}-\d\d-\d\d")  # `data: 2024-05-01 12:34:56.789012`
# Typed events that say nothing about the answer; known, so they are not counted.
_IGNORED_TYPES = frozenset(
    {
        "ads",
        "conversation_async_status",
        "conversation_detail_metadata",
        "message_marker",
        "perf_stats",
        "safety_review_update",
        "search_model_queries",
        "search_result",
        "streaming_parent_patch",
        "title_generation",
        "toast",
        "url_moderation",
    }
)


class Parse:
    """Turns the frames of one stream into events; holds the v1 decoder (protocol 3.7, 9)."""

    def __init__(self, secrets: Collection[str] = ()) -> None:
        self._secrets = secrets
        self._decoder = DecodeDelta()
        self._conversation_id: str | None = None

    def feed(self, frame: Frame) -> Iterator[UpstreamEvent]:
        """Yield zero or more events for one frame; never waits, never raises."""
        if frame.stray:
            yield self._unknown("stray line", _sample(frame.data))
        elif frame.name != "ping" and frame.data:
            yield from self._data(frame.name, frame.data)

    @property
    def growing(self) -> str | None:
        """The id of the message to whose text a bare-text v1 increment is appended."""
        return self._decoder.growing

    def grow(self, text: str) -> TextAppended:
        """Take the joined text of such increments, while a message is `growing`."""
        grown = self._decoder.grow(text)
        return TextAppended(grown.message_id, grown.text)

    def share(self, text: str) -> None:
        """Keep the text of one read as the same string object that later stages keep."""
        self._decoder.share(text)

    def _data(self, name: str, data: bytes) -> Iterator[UpstreamEvent]:
        value = loose_json(data)
        if value is not UNREADABLE:
            yield from self._value(name, value)
        elif data.strip() == _DONE:
            yield DoneReceived()
        elif b"\n" in data.strip():
            # Several objects without the empty line between them.
            for line in data.split(b"\n"):
                if line.strip():
                    yield from self._data(name, line)
        elif not _PING.match(data.strip()):
            yield self._unknown("not json", _sample(data))

    def _value(self, name: str, value: Any) -> Iterator[UpstreamEvent]:
        match value:
            case {}:
                yield from self._object(name, value)
            case "v1":
                self._decoder = DecodeDelta()
            case str() if name == "delta_encoding":
                shown = without_secrets(value, self._secrets)[:_KIND_CHARS]
                words = f"it uses the delta encoding {shown!r}"
                yield self._fault({"error": words}, is_body=False)
            case _:
                yield self._unknown(f"json {type(value).__name__}", str(value))

    def _object(self, name: str, value: dict[str, Any]) -> Iterator[UpstreamEvent]:
        kind = value.get("type")
        if name == "delta" and not ("message" in value or isinstance(kind, str)):
            yield from self._delta(value)
        elif isinstance(kind, str):
            yield from self._typed(kind, value)
        elif "message" in value:
            yield from self._document(value)
        elif "v" in value or "o" in value:
            yield from self._delta(value)
        else:
            yield from self._bare(value)

    def _delta(self, delta: dict[str, Any]) -> Iterator[UpstreamEvent]:
        try:
            change = self._decoder.feed(delta)
        except UpstreamProtocolError:
            operation = unknown_operation(delta)
            named = f"operation {plain_word(operation)}" if operation else "bad delta"
            yield self._unknown(named, sketch(delta))
            return
        if isinstance(change, AnswerGrew):
            yield TextAppended(change.message_id, change.text)
        elif isinstance(change.document, dict):
            yield from self._document(change.document)

    def _document(self, document: dict[str, Any]) -> Iterator[UpstreamEvent]:
        """Read a v0 object or a v1 document, which have the same form."""
        yield from self._named(document)
        raw = document.get("message")
        if isinstance(raw, dict) and (message := read_message(raw)) is not None:
            yield MessageSnapshot(message)
        if document.get("error"):
            yield self._fault(document, is_body=False)
        elif document.get("detail") or isinstance(raw, str):
            yield self._fault(document, is_body=True)

    def _named(self, value: dict[str, Any]) -> Iterator[UpstreamEvent]:
        named = value.get("conversation_id")
        if isinstance(named, str) and named and named != self._conversation_id:
            self._conversation_id = named
            yield ConversationNamed(named)

    def _typed(self, kind: str, value: dict[str, Any]) -> Iterator[UpstreamEvent]:
        yield from self._named(value)
        if (read := _TYPED.get(kind)) is not None:
            yield from read(value)
        elif value.get("error") or value.get("detail"):
            yield self._fault(value, is_body=not value.get("error"))
        elif kind not in _IGNORED_TYPES:
            yield self._unknown(f"type {plain_word(kind)}", sketch(value))

    def _bare(self, value: dict[str, Any]) -> Iterator[UpstreamEvent]:
        """Read an object that has neither a type nor a message."""
        yield from self._named(value)
        if value.get("error"):
            yield self._fault(value, is_body=False)
        elif value.get("detail"):
            yield self._fault(value, is_body=True)
        elif "moderation_response" in value:
            yield from _moderation(value)
        elif "wss_url" in value:
            yield WebSocketHandOff()
        elif "choices" in value:
            words = "it speaks the OpenAI API already; call it directly"
            yield self._fault({"error": words}, is_body=False)
        else:
            yield self._unknown("object", sketch(value))

    def _fault(self, obj: dict[str, Any], *, is_body: bool) -> UpstreamFault:
        return UpstreamFault(fault_failure(obj, self._secrets), is_body=is_body)

    def _unknown(self, kind: str, sample: str = "") -> Unknown:
        """Return the record of an unexpected event; its sample may repeat anything."""
        kind = without_secrets(kind, self._secrets)[: len("type ") + _KIND_CHARS]
        return Unknown(kind, without_secrets(sample, self._secrets)[:_SAMPLE_CHARS])


def _moderation(value: dict[str, Any]) -> Iterator[UpstreamEvent]:
    verdict = value.get("moderation_response")
    yield Moderated(isinstance(verdict, dict) and verdict.get("blocked") is True)


def _input_message(value: dict[str, Any]) -> Iterator[UpstreamEvent]:
    """Read the echo; the message is `input_message` itself or its `message`."""
    outer = value.get("input_message")
    inner = outer.get("message", outer) if isinstance(outer, dict) else None
    message_id = inner.get("id") if isinstance(inner, dict) else None
    if isinstance(message_id, str):
        yield InputEchoed(message_id)


def _resume_token(value: dict[str, Any]) -> Iterator[UpstreamEvent]:
    token = value.get("token")
    if isinstance(token, str) and token:
        yield ResumeOffered(token)


def _ste_metadata(value: dict[str, Any]) -> Iterator[UpstreamEvent]:
    metadata = value.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    slug, use_case = metadata.get("model_slug"), metadata.get("turn_use_case")
    slug = slug if isinstance(slug, str) else ""
    use_case = use_case if isinstance(use_case, str) else ""
    if slug or use_case:
        yield ModelNamed(slug, use_case)


def _hand_off(_value: dict[str, Any]) -> Iterator[UpstreamEvent]:
    yield HandedOff()


def _completed(_value: dict[str, Any]) -> Iterator[UpstreamEvent]:
    yield StreamCompleted()


_TYPED: dict[str, Callable[[dict[str, Any]], Iterator[UpstreamEvent]]] = {
    "input_message": _input_message,
    "message_stream_complete": _completed,
    "moderation": _moderation,
    "resume_conversation_token": _resume_token,
    "server_ste_metadata": _ste_metadata,
    "stream_handoff": _hand_off,
}


def _sample(data: bytes) -> str:
    return data[:_SAMPLE_BYTES].decode("utf-8", "replace")
