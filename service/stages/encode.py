"""Rendered -> bytes for the caller: `chat.completion.chunk` events or one whole reply.

Framing as measured in `openai-wire.md` 1 to 5: `data: ` with the space, one line an
event, LF, no other fields; every line under 64 KiB, because Go's scanner ends the
stream at a longer one; and no raw line separators, because some readers split there.
"""

import json
from collections.abc import Iterable
from typing import Any, assert_never

import msgspec
from msgspec import Struct

from service.events import (
    AssetKind,
    AssetLinked,
    CitationResolved,
    ContentCited,
    ContentText,
    Failure,
    ReasoningText,
    Rendered,
    Source,
    TurnEnded,
    TurnFacts,
)

# Of one chunk: where a lone surrogate forces ASCII, an emoji takes twelve bytes, so 60 of the 64 KB.
MAX_TEXT_CHARS = 5_000
MAX_EXTRAS_BYTES = 48_000  # of annotations and links on the finish chunk, likewise
_MAX_FACT_CHARS = 256  # real ids are 36 long
_LINE_ENDS = (
    ("\u0085".encode(), rb"\u0085"),
    ("\u2028".encode(), rb"\u2028"),
    ("\u2029".encode(), rb"\u2029"),
)

PING = b": ping\n\n"
DONE = b"data: [DONE]\n\n"
_CHUNK_END = b'},"finish_reason":null}]}\n\n'


class ReplyMeta(Struct, frozen=True):
    """What is the same in every chunk of one reply. `created` in seconds.

    `is_temporary`: the upstream keeps no conversation, so its ids are not given out.
    """

    id: str
    created: int
    model: str
    is_temporary: bool = False


def to_json(value: object) -> bytes:
    """Return JSON on one line, without raw line separators and safe for lone surrogates."""
    try:
        encoded = msgspec.json.encode(value)
    except UnicodeEncodeError:  # a lone surrogate: only ASCII escapes can carry it
        return json.dumps(value, separators=(",", ":")).encode()
    if not encoded.isascii():
        for raw, escaped in _LINE_ENDS:
            encoded = encoded.replace(raw, escaped)
    return encoded


def error_object(failure: Failure, partial: str = "") -> dict[str, Any]:
    """Return `{"error": …}` with its four keys, and the text received as a fifth."""
    error = {
        "message": failure.message,
        "type": failure.type,
        "param": failure.param,
        "code": failure.code,
    }
    if partial:
        error["partial"] = partial
    return {"error": error}


def error_frame(failure: Failure) -> bytes:
    """Return the event that ends a stream in place of a finish; it has no `choices`."""
    body = error_object(failure)
    body["error"]["message"] = failure.message[:MAX_TEXT_CHARS]
    return b"data: %b\n\n" % to_json(body)


class Gathered:
    """All that was rendered so far of one answer."""

    def __init__(self) -> None:
        self.facts = TurnFacts()
        self.ended: TurnEnded | None = None
        self._content: list[str] = []
        self._content_chars = 0
        self._reasoning: list[str] = []
        self._places: dict[int, tuple[int, int]] = {}  # slot -> range in the content
        self._annotations: dict[tuple[int, str], dict[str, Any]] = {}  # by slot and URL
        self._assets: dict[AssetKind, list[dict[str, str]]] = {kind: [] for kind in AssetKind}

    @property
    def content(self) -> str:
        """The answer's text."""
        return "".join(self._content)

    @property
    def reasoning(self) -> str:
        """The text of what was thought."""
        return "".join(self._reasoning)

    @property
    def annotations(self) -> list[dict[str, Any]]:
        """One `url_citation` for each source of each place, in the order of the text."""
        return sorted(
            self._annotations.values(), key=lambda entry: entry["url_citation"]["start_index"]
        )

    def feed(self, piece: Rendered) -> None:
        """Take one piece."""
        match piece:
            case ContentText(text):
                self._add(text)
            case ReasoningText(text):
                self._reasoning.append(text)
            case ContentCited(slot, text, sources):
                self._places[slot] = (self._content_chars, self._content_chars + len(text))
                self._add(text)
                self._cite(slot, sources)
            case CitationResolved(slot, sources):
                self._cite(slot, sources)
            case AssetLinked():
                self._assets[piece.kind].append(_link(piece))
            case TurnFacts():
                self.facts = piece
            case TurnEnded():
                self.ended = piece
            case _:
                assert_never(piece)

    def feed_batch(self, batch: Iterable[Rendered]) -> None:
        """Take the pieces of one batch."""
        for piece in batch:
            self.feed(piece)

    def extras(self, meta: ReplyMeta) -> dict[str, Any]:
        """Return the keys beside `choices`: links, and the turn's names that are known."""
        names = {"upstream_model": self.facts.upstream_model}
        if not meta.is_temporary:
            names["conversation_id"] = self.facts.conversation_id
            names["message_id"] = self.facts.message_id
        links = {"x_images": AssetKind.PICTURE, "x_files": AssetKind.FILE}
        return {
            **{
                key: value
                for key, value in names.items()
                if value and len(value) <= _MAX_FACT_CHARS
            },
            **{key: self._assets[kind] for key, kind in links.items() if self._assets[kind]},
        }

    def _add(self, text: str) -> None:
        self._content.append(text)
        self._content_chars += len(text)

    def _cite(self, slot: int, sources: tuple[Source, ...]) -> None:
        if slot not in self._places:
            return  # cut off with the text it stood in
        start, end = self._places[slot]
        for source in sources:
            if source.url:
                citation = {
                    "url": source.url,
                    "title": source.title or source.url,
                    "start_index": start,
                    "end_index": end,
                }
                entry = {"type": "url_citation", "url_citation": citation}
                self._annotations.setdefault((slot, source.url), entry)


def _link(asset: AssetLinked) -> dict[str, str]:
    link = {"url": asset.url, "name": asset.name, "revised_prompt": asset.revised_prompt}
    return {key: value for key, value in link.items() if value}


def collect(gathered: Gathered, meta: ReplyMeta, usage: dict[str, Any]) -> dict[str, Any]:
    """Return the whole reply; what the chunks of a stream add up to (spec 6.3)."""
    message: dict[str, Any] = {"role": "assistant", "content": gathered.content, "refusal": None}
    if reasoning := gathered.reasoning:
        message["reasoning_content"] = reasoning
    if annotations := gathered.annotations:
        message["annotations"] = annotations
    finish_reason = gathered.ended.finish_reason if gathered.ended else None
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": finish_reason or "stop",
    }
    return {
        "id": meta.id,
        "object": "chat.completion",
        "created": meta.created,
        "model": meta.model,
        "choices": [choice],
        "usage": usage,
        "system_fingerprint": None,
        **gathered.extras(meta),
    }


class ChatChunks:
    """The events of one streamed answer; one instance per answer.

    `opening` has the role, and is what the stream begins with.
    """

    def __init__(self, meta: ReplyMeta) -> None:
        self.gathered = Gathered()
        self._meta = meta
        self._envelope = {
            "id": meta.id,
            "object": "chat.completion.chunk",
            "created": meta.created,
            "model": meta.model,
        }
        start = b"data: %b" % to_json(self._envelope).removesuffix(b"}")
        delta = start + b',"choices":[{"index":0,"delta":{'
        self.opening = delta + b'"role":"assistant","content":""' + _CHUNK_END
        self._keep_alive = delta + _CHUNK_END
        self._content = delta + b'"content":'
        self._reasoning = delta + b'"reasoning_content":'

    def feed_batch(self, batch: Iterable[Rendered]) -> bytes:
        """Return the events of a batch; neighbours of one kind share a chunk."""
        frames: list[bytes] = []
        run: list[str] = []
        opening = self._content
        for piece in batch:
            self.gathered.feed(piece)
            match piece:
                case ContentText(text) | ContentCited(text=text):
                    wanted = self._content
                case ReasoningText(text):
                    wanted = self._reasoning
                case _:
                    continue
            if wanted is not opening and run:
                frames += _chunks(opening, "".join(run))
                run = []
            opening = wanted
            run.append(text)
        if run:
            frames += _chunks(opening, "".join(run))
        return b"".join(frames)

    def keep_alive(self) -> bytes:
        """Return an empty delta, for silence."""
        return self._keep_alive

    def fail(self, failure: Failure) -> bytes:
        """Return the event that ends the stream in place of a finish."""
        return error_frame(failure)

    def finish(self, usage: dict[str, Any] | None) -> bytes:
        """Return all that ends a complete answer; `usage` only if the caller asked for it."""
        ended = self.gathered.ended
        extras, annotations = self._fitting_extras()
        choice = {
            "index": 0,
            "delta": {"annotations": annotations} if annotations else {},
            "finish_reason": (ended.finish_reason if ended else None) or "stop",
        }
        frames = [_event({**self._envelope, "choices": [choice], **extras})]
        if usage is not None:
            # The last chunk is where a caller looks for the ids, so this one has them, too.
            names = {key: value for key, value in extras.items() if not key.startswith("x_")}
            frames.append(_event({**self._envelope, "choices": [], "usage": usage, **names}))
        return b"".join([*frames, DONE])

    def _fitting_extras(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return as many links and annotations as one line can hold, links first."""
        extras = self.gathered.extras(self._meta)
        room = MAX_EXTRAS_BYTES
        for key in ("x_images", "x_files"):
            if key in extras:
                extras[key], room = _fitting(extras[key], room)
        annotations, _ = _fitting(self.gathered.annotations, room)
        return extras, annotations


def _chunks(opening: bytes, text: str) -> list[bytes]:
    return [
        opening + to_json(text[at : at + MAX_TEXT_CHARS]) + _CHUNK_END
        for at in range(0, len(text), MAX_TEXT_CHARS)
    ]


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % to_json(chunk)


def _fitting(entries: list[dict[str, Any]], room: int) -> tuple[list[dict[str, Any]], int]:
    """Return the first entries whose JSON fits into `room` bytes, and the room left."""
    kept = []
    for entry in entries:
        size = len(to_json(entry)) + 1
        if size <= room:
            kept.append(entry)
            room -= size
    return kept, room
