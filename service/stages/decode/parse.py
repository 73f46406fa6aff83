"""Frame -> UpstreamEvent: both stream generations and all typed events (protocol 2.1, 3, 4).

Events may come in any order in one stream. An unknown one becomes `Unknown`, to be counted, and has
no other effect.
"""

import re
from collections.abc import Callable, Collection
from typing import Any

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

    def feed(self, frame: Frame) -> list[UpstreamEvent]:
        """Return zero or more events for one frame; never waits, never raises."""
        if frame.stray:
            return [self._unknown("stray line", _sample(frame.data))]
        if frame.name == "ping" or not frame.data:
            return []
        return self._data(frame.name, frame.data)

    @property
    def growing(self) -> str | None:
        """The id of the message to whose text a bare-text v1 increment is appended."""
        return self._decoder.growing

    def grow(self, text: str) -> TextAppended:
        """Take the joined text of such increments, while a message is `growing`."""
        return self._decoder.grow(text)

    def share(self, text: str) -> None:
        """Keep the text of one read as the same string object that later stages keep."""
        self._decoder.share(text)

    def _data(self, name: str, data: bytes) -> list[UpstreamEvent]:
        if data == _DONE:
            return [DoneReceived()]
        value = loose_json(data)
        if isinstance(value, dict):
            return self._object(name, value)
        if value is not UNREADABLE:
            return self._value(name, value)
        stripped = data.strip()
        if stripped == _DONE:
            return [DoneReceived()]
        if b"\n" in stripped:
            # Several objects without the empty line between them.
            lines = [line for line in data.split(b"\n") if line.strip()]
            return [event for line in lines for event in self._data(name, line)]
        return [] if _PING.match(stripped) else [self._unknown("not json", _sample(data))]

    def _value(self, name: str, value: Any) -> list[UpstreamEvent]:
        """Read JSON that is no object."""
        if value == "v1":
            self._decoder = DecodeDelta()
            return []
        if isinstance(value, str) and name == "delta_encoding":
            shown = without_secrets(value, self._secrets)[:_KIND_CHARS]
            words = f"it uses the delta encoding {shown!r}"
            return [self._fault({"error": words}, is_body=False)]
        return [self._unknown(f"json {type(value).__name__}", str(value))]

    def _object(self, name: str, value: dict[str, Any]) -> list[UpstreamEvent]:
        kind = value.get("type")
        if isinstance(kind, str):
            return self._typed(kind, value)
        if "message" in value:
            return self._document(value)
        if name == "delta" or "v" in value or "o" in value:
            return self._delta(value)
        return self._bare(value)

    def _delta(self, delta: dict[str, Any]) -> list[UpstreamEvent]:
        try:
            change = self._decoder.feed(delta)
        except UpstreamProtocolError:
            operation = unknown_operation(delta)
            named = f"operation {plain_word(operation)}" if operation else "bad delta"
            return [self._unknown(named, sketch(delta))]
        if isinstance(change, TextAppended):
            return [change]
        return self._document(change.document) if isinstance(change.document, dict) else []

    def _document(self, document: dict[str, Any]) -> list[UpstreamEvent]:
        """Read a v0 object or a v1 document, which have the same form."""
        events = self._named(document)
        raw = document.get("message")
        if isinstance(raw, dict) and (message := read_message(raw)) is not None:
            events.append(MessageSnapshot(message))
        if document.get("error"):
            events.append(self._fault(document, is_body=False))
        elif document.get("detail") or isinstance(raw, str):
            events.append(self._fault(document, is_body=True))
        return events

    def _named(self, value: dict[str, Any]) -> list[UpstreamEvent]:
        named = value.get("conversation_id")
        if not isinstance(named, str) or not named or named == self._conversation_id:
            return []
        self._conversation_id = named
        return [ConversationNamed(named)]

    def _typed(self, kind: str, value: dict[str, Any]) -> list[UpstreamEvent]:
        events = self._named(value)
        if (read := _TYPED.get(kind)) is not None:
            events += read(value)
        elif value.get("error") or value.get("detail"):
            events.append(self._fault(value, is_body=not value.get("error")))
        elif kind not in _IGNORED_TYPES:
            events.append(self._unknown(f"type {plain_word(kind)}", sketch(value)))
        return events

    def _bare(self, value: dict[str, Any]) -> list[UpstreamEvent]:
        """Read an object that has neither a type nor a message."""
        events = self._named(value)
        if value.get("error"):
            events.append(self._fault(value, is_body=False))
        elif value.get("detail"):
            events.append(self._fault(value, is_body=True))
        elif "moderation_response" in value:
            events += _moderation(value)
        elif "wss_url" in value:
            events.append(WebSocketHandOff())
        elif "choices" in value:
            words = "it speaks the OpenAI API already; call it directly"
            events.append(self._fault({"error": words}, is_body=False))
        else:
            events.append(self._unknown("object", sketch(value)))
        return events

    def _fault(self, obj: dict[str, Any], *, is_body: bool) -> UpstreamFault:
        return UpstreamFault(fault_failure(obj, self._secrets), is_body=is_body)

    def _unknown(self, kind: str, sample: str = "") -> Unknown:
        """Return the record of an unexpected event; its sample may repeat anything."""
        kind = without_secrets(kind, self._secrets)[: len("type ") + _KIND_CHARS]
        return Unknown(kind, without_secrets(sample, self._secrets)[:_SAMPLE_CHARS])


def _moderation(value: dict[str, Any]) -> list[UpstreamEvent]:
    verdict = value.get("moderation_response")
    return [Moderated(isinstance(verdict, dict) and verdict.get("blocked") is True)]


def _input_message(value: dict[str, Any]) -> list[UpstreamEvent]:
    """Read the echo; the message is `input_message` itself or its `message`."""
    outer = value.get("input_message")
    inner = outer.get("message", outer) if isinstance(outer, dict) else None
    message_id = inner.get("id") if isinstance(inner, dict) else None
    return [InputEchoed(message_id)] if isinstance(message_id, str) else []


def _resume_token(value: dict[str, Any]) -> list[UpstreamEvent]:
    token = value.get("token")
    return [ResumeOffered(token)] if isinstance(token, str) and token else []


def _ste_metadata(value: dict[str, Any]) -> list[UpstreamEvent]:
    metadata = value.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    slug, use_case = metadata.get("model_slug"), metadata.get("turn_use_case")
    slug = slug if isinstance(slug, str) else ""
    use_case = use_case if isinstance(use_case, str) else ""
    return [ModelNamed(slug, use_case)] if slug or use_case else []


def _hand_off(_value: dict[str, Any]) -> list[UpstreamEvent]:
    return [HandedOff()]


def _completed(_value: dict[str, Any]) -> list[UpstreamEvent]:
    return [StreamCompleted()]


_TYPED: dict[str, Callable[[dict[str, Any]], list[UpstreamEvent]]] = {
    "input_message": _input_message,
    "message_stream_complete": _completed,
    "moderation": _moderation,
    "resume_conversation_token": _resume_token,
    "server_ste_metadata": _ste_metadata,
    "stream_handoff": _hand_off,
}


def _sample(data: bytes) -> str:
    return data[:_SAMPLE_BYTES].decode("utf-8", "replace")
