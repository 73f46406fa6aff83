"""Rendered -> bytes for the caller: `chat.completion.chunk` events or one whole reply.

    data: {"id":"chatcmpl-…","object":"chat.completion.chunk",…,"choices":[{"index":0,"delta":{"content":"Hi"},…

The framing is as measured in `openai-wire.md` 1 to 5: `data: ` with the space, one line an event, LF,
no other fields; each line under 64 KiB, because Go's scanner ends the stream at a longer one; and no
raw U+2028 or U+2029, because some readers split there.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar, cast

from msgspec import UNSET, Struct, structs

from service.answers.chats import (
    Annotation,
    AnswerMessage,
    CalledFunction,
    ChatChoice,
    ChatChunkChoice,
    ChatCompletion,
    ChatCompletionChunk,
    ChatDelta,
    CompletionTokens,
    FinishReason,
    FunctionDelta,
    Link,
    PromptTokens,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from service.stages.encode.gathered import Gathered
from service.vocabulary.events import (
    Failure,
    FunctionArguments,
    FunctionCallStarted,
    ReasoningText,
    TurnEnded,
    TurnFacts,
)
from service.vocabulary.native import RefusalText
from service.vocabulary.rendered import ContentCited, ContentText, Rendered, ReplyMeta, TokenCounts
from service.vocabulary.wire import MAX_TEXT_CHARS, error_frame, to_json

MAX_EXTRAS_BYTES = 48_000  # of annotations and links in the finish chunk, likewise

PING = b": ping\n\n"
DONE = b"data: [DONE]\n\n"

_Entry = TypeVar("_Entry", Annotation, Link)

# The beginnings of a delta with one text, which follows.
_CONTENT, _REASONING, _REFUSAL = b'{"content":', b'{"reasoning_content":', b'{"refusal":'
_OPENING = to_json(ChatDelta(role="assistant", content=""))
_OPENING_OF_CALL = to_json(ChatDelta(role="assistant"))
_EMPTY = ChatChunkChoice(delta=ChatDelta())


def chat_usage(counts: TokenCounts) -> Usage:
    """Return the `usage` of a chat or a completion."""
    return Usage(
        prompt_tokens=counts.prompt_tokens,
        completion_tokens=counts.completion_tokens,
        total_tokens=counts.total_tokens,
        completion_tokens_details=CompletionTokens(counts.reasoning_tokens),
        prompt_tokens_details=UNSET if counts.is_estimated else PromptTokens(counts.cached_tokens),
        estimated=True if counts.is_estimated else UNSET,
    )


def finish_reason_of(gathered: Gathered) -> FinishReason:
    """Return the finish reason of a complete answer; `stop` where it is unknown."""
    reason = gathered.ended.finish_reason if gathered.ended else None
    return cast(FinishReason, reason or "stop")


def collect(gathered: Gathered, meta: ReplyMeta, counts: TokenCounts) -> ChatCompletion:
    """Return the whole reply, equal to the sum of a stream's chunks (spec 6.3)."""
    functions = [CalledFunction(call.name, call.arguments) for call in gathered.calls]
    calls = [
        ToolCall(call.id, function)
        for call, function in zip(gathered.calls, functions, strict=True)
    ]
    is_legacy = meta.is_legacy_call
    message = AnswerMessage(
        content=gathered.content or (None if calls or gathered.refusal else ""),
        refusal=gathered.refusal or None,
        reasoning_content=gathered.reasoning or UNSET,
        annotations=gathered.annotations,
        tool_calls=UNSET if is_legacy or not calls else calls,
        function_call=functions[0] if is_legacy and functions else UNSET,
    )
    return ChatCompletion(
        id=meta.id,
        model=meta.model,
        created=meta.created,
        choices=[ChatChoice(message=message, finish_reason=_finish_reason(gathered, meta))],
        usage=chat_usage(counts),
        system_fingerprint=meta.fingerprint,
        **_extras(gathered, meta),
    )


def _extras(gathered: Gathered, meta: ReplyMeta) -> dict[str, Any]:
    return {**gathered.names(is_temporary=meta.is_temporary), **gathered.links()}


def _finish_reason(gathered: Gathered, meta: ReplyMeta) -> FinishReason:
    reason = finish_reason_of(gathered)
    return "function_call" if reason == "tool_calls" and meta.is_legacy_call else reason


class ChatChunks:
    """The events of one streamed answer; one instance per answer.

    `opening` is the first event, with the role. It has an empty text too, unless a call may follow:
    some readers would make a content part of it. An event is encoded once with an empty delta, in
    whose place each delta is put.
    """

    def __init__(self, meta: ReplyMeta) -> None:
        self.gathered = Gathered()
        self._meta = meta
        self._chunk = ChatCompletionChunk(
            id=meta.id, model=meta.model, created=meta.created, choices=[_EMPTY]
        )
        self._keep_alive = event_of(self._chunk)
        self._before, _, self._after = self._keep_alive.rpartition(b"{}")
        self.opening = (
            self._before + (_OPENING_OF_CALL if meta.may_call else _OPENING) + self._after
        )
        self._content = self._before + _CONTENT
        self._end = b"}" + self._after

    def text(self, text: str) -> bytes:
        """Return the events of text whose pieces come to `gather` later."""
        if len(text) <= MAX_TEXT_CHARS:
            return self._content + to_json(text) + self._end
        return self._texts(_CONTENT, text)

    def gather(self, pieces: list[Rendered]) -> None:
        """Note pieces whose events have been sent."""
        self.gathered.feed_batch(pieces)

    def feed_batch(self, batch: Iterable[Rendered]) -> bytes:
        """Return the events of a batch; neighbouring pieces of one kind share a chunk."""
        frames: list[bytes] = []
        run: list[str] = []
        opening = _CONTENT
        for piece in batch:
            self.gathered.feed(piece)
            if type(piece) is TurnFacts or type(piece) is TurnEnded:
                continue
            match piece:
                case ContentText(text) | ContentCited(text=text):
                    wanted = _CONTENT
                case ReasoningText(text):
                    wanted = _REASONING
                case FunctionCallStarted() | FunctionArguments():
                    frames += [self._texts(opening, "".join(run)), *self._call_events(piece)]
                    run = []
                    continue
                case RefusalText(text):
                    wanted = _REFUSAL
                case _:
                    continue
            if wanted is not opening and run:
                frames.append(self._texts(opening, "".join(run)))
                run = []
            opening = wanted
            run.append(text)
        frames.append(self._texts(opening, "".join(run)))
        return b"".join(frames)

    def _call_events(self, piece: FunctionCallStarted | FunctionArguments) -> list[bytes]:
        """Return the events of a call: first its id, type and name, then its arguments."""
        if isinstance(piece, FunctionCallStarted):
            function = FunctionDelta("", piece.name)
            calls = [ToolCallDelta(piece.index, function, piece.call_id, "function")]
        else:
            parts = text_parts(piece.text)
            calls = [ToolCallDelta(piece.index, FunctionDelta(part)) for part in parts]
        if self._meta.is_legacy_call:
            return [self._event(ChatDelta(function_call=call.function)) for call in calls]
        return [self._event(ChatDelta(tool_calls=[call])) for call in calls]

    def keep_alive(self) -> bytes:
        """Return an empty delta, as a keep-alive."""
        return self._keep_alive

    def fail(self, failure: Failure) -> bytes:
        """Return the event that ends the stream in place of a finish."""
        return error_frame(failure)

    def finish(self, counts: TokenCounts | None) -> bytes:
        """Return the end of a complete answer; the usage only if the caller asked for it."""
        gathered, meta = self.gathered, self._meta
        names = gathered.names(is_temporary=meta.is_temporary)
        links, room = fitting_links(gathered)
        annotations, _ = fitting(gathered.annotations, room)
        delta = ChatDelta(annotations=annotations or UNSET)
        choice = ChatChunkChoice(delta=delta, finish_reason=_finish_reason(gathered, meta))
        extras: dict[str, Any] = {**names, **links}
        frames = [event_of(structs.replace(self._chunk, choices=[choice], **extras))]
        if counts is not None:
            # Callers look for the ids in the last chunk, so it repeats them.
            last = structs.replace(self._chunk, choices=[], usage=chat_usage(counts), **names)
            frames.append(event_of(last))
        return b"".join([*frames, DONE])

    def _event(self, delta: ChatDelta) -> bytes:
        return self._before + to_json(delta) + self._after

    def _texts(self, opening: bytes, text: str) -> bytes:
        """Return the events of a text, whose deltas all begin like this."""
        if not text:
            return b""
        start = self._before + opening
        if len(text) <= MAX_TEXT_CHARS:
            return start + to_json(text) + self._end
        return b"".join([start + to_json(part) + self._end for part in text_parts(text)])


def event_of(chunk: Struct) -> bytes:
    """Return a chunk as one event."""
    return b"data: " + to_json(chunk) + b"\n\n"


def split_at_text(event: bytes) -> tuple[bytes, bytes]:
    r"""Return the bytes before and after the only empty string of an event.

    An event of text is these two with the text between them:
    `data: {…"delta":{"content":` + `"Hi"` + `},"finish_reason":null}]}\n\n`.
    """
    before, _, after = event.rpartition(b'""')
    return before, after


def text_parts(text: str) -> list[str]:
    """Return text in pieces short enough for a line; none for an empty text."""
    return [text[at : at + MAX_TEXT_CHARS] for at in range(0, len(text), MAX_TEXT_CHARS)]


def fitting_links(gathered: Gathered) -> tuple[dict[str, list[Link]], int]:
    """Return as many links as fit into a line, pictures first, and the room left in bytes."""
    links, room = {}, MAX_EXTRAS_BYTES
    for name, found in gathered.links().items():
        links[name], room = fitting(found, room)
    return links, room


def fitting(entries: Sequence[_Entry], room: int) -> tuple[list[_Entry], int]:
    """Return the first entries whose JSON fits into `room` bytes, and the room left."""
    kept = []
    for entry in entries:
        size = len(to_json(entry)) + 1
        if size <= room:
            kept.append(entry)
            room -= size
    return kept, room
