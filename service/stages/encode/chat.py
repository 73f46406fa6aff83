"""Rendered -> bytes for the caller: `chat.completion.chunk` events or one whole reply.

Framing as measured in `openai-wire.md` 1 to 5: `data: ` with the space, one line an
event, LF, no other fields; every line under 64 KiB, because Go's scanner ends the
stream at a longer one; and no raw line separators, because some readers split there.
"""

from collections.abc import Iterable
from typing import Any, assert_never

from msgspec import Struct

from service.vocabulary.events import (
    AssetKind,
    CitationResolved,
    Failure,
    FunctionArguments,
    FunctionCallStarted,
    ReasoningText,
    Source,
    TextSpent,
    TurnEnded,
    TurnFacts,
    WebSearched,
)
from service.vocabulary.rendered import AssetLinked, ContentCited, ContentText, Rendered
from service.vocabulary.text import Pieces
from service.vocabulary.wire import MAX_TEXT_CHARS, error_frame, to_json

MAX_EXTRAS_BYTES = 48_000  # of annotations and links on the finish chunk, likewise
_MAX_FACT_CHARS = 256  # real ids are 36 long

PING = b": ping\n\n"
DONE = b"data: [DONE]\n\n"
_CHUNK_END = b'},"finish_reason":null}]}\n\n'


class ReplyMeta(Struct, frozen=True):
    """What is the same in every chunk of one reply. `created` in seconds.

    `is_temporary`: the upstream keeps no conversation, so its ids are not given out.
    `is_legacy_call`: a call is told as `function_call`, the form before `tool_calls`.
    """

    id: str
    created: int
    model: str
    is_temporary: bool = False
    is_legacy_call: bool = False


class FunctionCall(Struct, frozen=True):
    """A whole call of a function of the caller's; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


class Gathered:
    """All that was rendered so far of one answer."""

    def __init__(self) -> None:
        self.facts = TurnFacts()
        self.ended: TurnEnded | None = None
        self._content = Pieces()
        self._content_chars = 0
        self._reasoning = Pieces()
        self._places: dict[int, tuple[int, int]] = {}  # slot -> range in the content
        self._annotations: dict[tuple[int, str], dict[str, Any]] = {}  # by slot and URL
        self._assets: dict[AssetKind, list[dict[str, str]]] = {kind: [] for kind in AssetKind}
        self._calls: dict[int, FunctionCall] = {}
        self.spent: list[TextSpent] = []

    @property
    def content(self) -> str:
        """The answer's text."""
        return self._content.joined()

    @property
    def partial(self) -> str:
        """The text that a failed answer had: what went out, else what was held back and refused."""
        return self.content or (self.spent[-1].received if self.spent else "")

    @property
    def reasoning(self) -> str:
        """The text of what was thought."""
        return self._reasoning.joined()

    @property
    def calls(self) -> list[FunctionCall]:
        """The function calls, in order."""
        return list(self._calls.values())

    @property
    def annotations(self) -> list[dict[str, Any]]:
        """One `url_citation` for each source of each place, in the order of the text."""
        return sorted(
            self._annotations.values(), key=lambda entry: entry["url_citation"]["start_index"]
        )

    # One short branch for each kind of piece: a table, split only at the cost of finding a kind.
    def feed(self, piece: Rendered) -> None:  # noqa: C901, PLR0912, PLR0915 - see above
        """Take one piece."""
        match piece:
            case ContentText(text):
                self._add(text)
            case ReasoningText(text):
                self._reasoning.add(text)
            case ContentCited(slot, text, sources):
                self._places[slot] = (self._content_chars, self._content_chars + len(text))
                self._add(text)
                self._cite(slot, sources)
            case CitationResolved(slot, sources):
                self._cite(slot, sources)
            case AssetLinked():
                links, link = self._assets[piece.kind], _link(piece)
                if link not in links:  # a text may name a file twice
                    links.append(link)
            case FunctionCallStarted(index, call_id, name):
                self._calls[index] = FunctionCall(call_id, name, "")
            case FunctionArguments(index, text):
                call = self._calls[index]
                self._calls[index] = FunctionCall(call.id, call.name, call.arguments + text)
            case TextSpent():
                self.spent.append(piece)
            case WebSearched():
                pass  # chats have no place for it
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
        self._content.add(text)
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
    calls = gathered.calls
    content = gathered.content or (None if calls else "")
    message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
    if reasoning := gathered.reasoning:
        message["reasoning_content"] = reasoning
    if annotations := gathered.annotations:
        message["annotations"] = annotations
    if calls:
        message |= _told([_call(call) for call in calls], meta)
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": _finish_reason(gathered, meta),
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


def _call(call: FunctionCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def _told(calls: list[dict[str, Any]], meta: ReplyMeta) -> dict[str, Any]:
    """Return calls, or their increments, under the key of the form asked for."""
    return {"function_call": calls[0]["function"]} if meta.is_legacy_call else {"tool_calls": calls}


def _finish_reason(gathered: Gathered, meta: ReplyMeta) -> str:
    reason = gathered.ended.finish_reason if gathered.ended else None
    return "function_call" if reason == "tool_calls" and meta.is_legacy_call else reason or "stop"


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

    def text(self, text: str) -> bytes:
        """Return the events of text whose pieces come to `gather` later."""
        if len(text) <= MAX_TEXT_CHARS:
            return self._content + to_json(text) + _CHUNK_END
        return b"".join(_chunks(self._content, text))

    def gather(self, pieces: list[Rendered]) -> None:
        """Take pieces whose events are out."""
        self.gathered.feed_batch(pieces)

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
                case FunctionCallStarted() | FunctionArguments():
                    frames += [*_chunks(opening, "".join(run)), *self._call_events(piece)]
                    run = []
                    continue
                case _:
                    continue
            if wanted is not opening and run:
                frames += _chunks(opening, "".join(run))
                run = []
            opening = wanted
            run.append(text)
        return b"".join([*frames, *_chunks(opening, "".join(run))])

    def _call_events(self, piece: FunctionCallStarted | FunctionArguments) -> list[bytes]:
        """Return the increments of a call: its id, type and name once, then its arguments."""
        if isinstance(piece, FunctionCallStarted):
            calls = [_call(FunctionCall(piece.call_id, piece.name, ""))]
        else:
            calls = [{"function": {"arguments": part}} for part in _parts(piece.text)]
        deltas = [_told([{"index": piece.index, **call}], self._meta) for call in calls]
        choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
        return [_event({**self._envelope, "choices": [choice]}) for choice in choices]

    def keep_alive(self) -> bytes:
        """Return an empty delta, for silence."""
        return self._keep_alive

    def fail(self, failure: Failure) -> bytes:
        """Return the event that ends the stream in place of a finish."""
        return error_frame(failure)

    def finish(self, usage: dict[str, Any] | None) -> bytes:
        """Return all that ends a complete answer; `usage` only if the caller asked for it."""
        extras, annotations = self._fitting_extras()
        choice = {
            "index": 0,
            "delta": {"annotations": annotations} if annotations else {},
            "finish_reason": _finish_reason(self.gathered, self._meta),
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
                extras[key], room = fitting(extras[key], room)
        annotations, _ = fitting(self.gathered.annotations, room)
        return extras, annotations


def _parts(text: str) -> list[str]:
    """Return text in pieces that one line can hold; none of an empty text."""
    return [text[at : at + MAX_TEXT_CHARS] for at in range(0, len(text), MAX_TEXT_CHARS)]


def _chunks(opening: bytes, text: str) -> list[bytes]:
    return [opening + to_json(part) + _CHUNK_END for part in _parts(text)]


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % to_json(chunk)


def fitting(entries: list[dict[str, Any]], room: int) -> tuple[list[dict[str, Any]], int]:
    """Return the first entries whose JSON fits into `room` bytes, and the room left."""
    kept = []
    for entry in entries:
        size = len(to_json(entry)) + 1
        if size <= room:
            kept.append(entry)
            room -= size
    return kept, room
