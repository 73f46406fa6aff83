"""Frame -> CodexEvent: the events of codex 3, with their fields checked for their type only.

    event: response.output_text.delta
    data: {"type":"response.output_text.delta","item_id":"msg_1","output_index":0,"delta":"Hi"}

The line `event:` may be missing; the `type` of the JSON decides. A field of an unexpected type
counts as missing, since the rest of the event may still be understood.
"""

from collections.abc import Collection
from typing import Any

import msgspec

from service.stages.codex.raw_events import Event, Run
from service.stages.codex.runs import TYPE as TEXT_DELTA
from service.stages.codex.runs import runs_in
from service.stages.decode.known_words import plain_word, sketch
from service.stages.decode.loose_json import UNREADABLE, loose_json
from service.stages.decode.sse import MAX_EVENT_BYTES, DecodeSse
from service.upstream_errors.refusals import without_secrets
from service.vocabulary.events import BodyEnd, BodyEnded, Frame, Unknown

_SAMPLE_CHARS = 200
_SAMPLE_BYTES = 4 * _SAMPLE_CHARS  # enough in every script
_KIND_CHARS = 64  # a kind becomes a label of a metric and part of a log line
_DONE = b"[DONE]"


_OF_ERRORS = (
    *("error", "detail", "code", "message", "param", "type"),
    *("status", "status_code", "resets_at", "resets_in_seconds"),
)
CodexEvent = Event | Unknown | BodyEnded

_DECODER = msgspec.json.Decoder(Event)
_OBJECTS = frozenset({"item", "annotation", "response", "rate_limits", "credits", "usage"})
_LISTS = frozenset({"data"})
_NUMBERS = frozenset({"output_index", "content_index", "summary_index", "partial_image_index"})
_ANYTHING = frozenset(_OF_ERRORS) - {"type"}


class ReadCodex:
    """Turns one body into events; one instance per body.

    `consumed` counts events of any kind, as signs of life. A chunk is any slice of the body. A reader
    that `is_paced` makes one event of each piece of a text; others join what one read brings.
    """

    def __init__(self, secrets: Collection[str] = (), *, is_paced: bool = False) -> None:
        self.consumed = 0
        self.is_paced = is_paced
        self._sse = DecodeSse()
        self._secrets = secrets

    def feed(self, chunk: bytes) -> list[CodexEvent]:
        """Return the events that this chunk completes; never waits, never raises."""
        events: list[CodexEvent] = []
        at = 0
        for run in () if self.is_paced else runs_in(chunk):
            events += self._events(self._sse.feed(chunk[at : run.start]))
            at = run.start
            if self._sse.is_between:
                self.consumed += run.count
                events.append(_grown(run))
                at = run.end
        events += self._events(self._sse.feed(chunk[at:]))
        if self._sse.is_overflowing:
            size = MAX_EVENT_BYTES // 1024 // 1024
            detail = f"The upstream sent one event of more than {size} MiB."
            events.append(BodyEnded(BodyEnd.BROKEN, detail))
        return events

    def end(self, body: BodyEnded) -> list[CodexEvent]:
        """Return the events completed by the end of the body, and the end itself."""
        return [*self._events(self._sse.finish()), body]

    def _events(self, frames: list[Frame]) -> list[CodexEvent]:
        events: list[CodexEvent] = []
        for frame in frames:
            self.consumed += not frame.stray
            if frame.stray:
                events.append(self._unknown("stray line", _sample(frame.data)))
            elif frame.data and frame.data != _DONE:
                events += self._read(frame.data)
        return events

    def _read(self, data: bytes) -> list[CodexEvent]:
        try:
            event = _DECODER.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._read_loosely(data)
        if not event.type and event.object == "response":
            return [_whole_response(loose_json(data))]
        return [event]

    def _read_loosely(self, data: bytes) -> list[CodexEvent]:
        """Read what the fast decoder refuses: odd fields, lone surrogates, several objects."""
        value = loose_json(data)
        if isinstance(value, dict):
            return [_loosely(value)]
        if value is not UNREADABLE:
            return [self._unknown(f"json {type(value).__name__}", str(value))]
        if b"\n" in data.strip():  # objects that lack the empty line between them
            lines = [line for line in data.split(b"\n") if line.strip()]
            return [event for line in lines for event in self._read(line)]
        return [self._unknown("not json", _sample(data))]

    def _unknown(self, kind: str, sample: str = "") -> Unknown:
        sample = without_secrets(sample[:_SAMPLE_BYTES], self._secrets)
        return Unknown(kind, sample[:_SAMPLE_CHARS])


def _grown(run: Run) -> Event:
    return Event(
        TEXT_DELTA,
        item_id=run.item_id,
        output_index=run.output_index,
        content_index=run.content_index,
        delta=run.delta,
    )


def unknown_event(event: Event) -> Unknown:
    """Return the record of an event of unknown type."""
    known = {name: getattr(event, name) for name in event.__struct_fields__}
    told = {name: value for name, value in known.items() if value is not None}
    return Unknown(f"type {plain_word(event.type)}"[:_KIND_CHARS], sketch(told))


def _loosely(value: dict[str, Any]) -> Event:
    if not value.get("type") and value.get("object") == "response":
        return _whole_response(value)
    fields: dict[str, Any] = {}
    for name in Event.__struct_fields__:
        given = value.get(name)
        if name in _OBJECTS:
            is_fit = isinstance(given, dict)
        elif name in _LISTS:
            is_fit = isinstance(given, list)
        elif name in _NUMBERS:
            is_fit = isinstance(given, int) and not isinstance(given, bool)
        else:
            is_fit = isinstance(given, str) or (name in _ANYTHING and given is not None)
        if is_fit:
            fields[name] = given
    return Event(**fields)


def _whole_response(value: dict[str, Any]) -> Event:
    """Return the terminal event for a body that is one whole response."""
    return Event(type="response.completed", response=value)


def _sample(data: bytes) -> str:
    return data[:_SAMPLE_BYTES].decode("utf-8", "replace")


def error_in(event: Event) -> dict[str, Any]:
    """Return the error object inside an event, in the shape of a body (codex 3 and 4)."""
    fields = {name: getattr(event, name) for name in _OF_ERRORS}
    return {name: value for name, value in fields.items() if value is not None}
