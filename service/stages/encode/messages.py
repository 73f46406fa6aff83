"""Rendered -> bytes for the caller: the events of a message, or one whole (anthropic-wire 2, 3).

Each event has its name twice, in the line `event:` and in its `type`, since readers look at either.
Text that is too long for a line is split, as in `chat.py`.
"""

from collections.abc import Iterable
from typing import Any

from msgspec import UNSET, Struct

from service.answers.messages import (
    BlockEvent,
    BlockGrows,
    FoundPage,
    Message,
    MessageEvent,
    MessageGrows,
    MessageStart,
    MessageStop,
    MessageUsage,
    Ping,
    Searches,
    StopDetails,
    Stopped,
    StopReason,
    TextDelta,
)
from service.stages.encode.chat import split_at_text
from service.stages.encode.gathered import Gathered
from service.stages.encode.message_blocks import GatheredBlocks, MessageBlocks, Thinking
from service.stages.encode.message_errors import (
    MAX_CONTEXT_TOKENS,
    REFUSAL_CODES,
    message_error,
    of_turn,
)
from service.vocabulary import endings
from service.vocabulary.events import Failure, Outcome
from service.vocabulary.native import ToolItemEnded
from service.vocabulary.rendered import ContentText, Rendered, TokenCounts
from service.vocabulary.wire import MAX_TEXT_CHARS, shortened, to_json

_SEARCH = "web_search_call"
BLOCKED = "The upstream's moderation ended this answer."
_REASONS: dict[str, StopReason] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "content_filter": "refusal",
    "tool_calls": "tool_use",
}


class MessageMeta(Struct, frozen=True):
    """The facts about an answer that are known before it arrives.

    `id` ends in random hexadecimal digits. `input_tokens` is an estimate, sent at the start, and
    `context_tokens` is the model's limit. With a `search_query` the caller wants to see the model's
    searches.
    """

    id: str
    model: str
    request_id: str
    input_tokens: int
    context_tokens: int = MAX_CONTEXT_TOKENS
    thinking: Thinking = Thinking()
    search_query: str = ""


class _Answer:
    """The parts that the whole and the streamed form of an answer share."""

    def __init__(self, meta: MessageMeta) -> None:
        self.gathered = Gathered()
        self.meta = meta
        self.blocks = MessageBlocks(meta.id, meta.thinking)
        self._queries: list[str] = []  # queries of searches that the upstream reported
        self._searches = 0

    def events(self, batch: Iterable[Rendered]) -> list[BlockEvent]:
        """Take a batch, and return its events."""
        found: list[BlockEvent] = []
        for piece in batch:
            self.gathered.feed(piece)
            if isinstance(piece, ToolItemEnded) and piece.item.get("type") == _SEARCH:
                self._queries.append(_query_of(piece.item))
            found += self.blocks.feed(piece)
        return found

    def closing(self, explanation: str = "") -> list[BlockEvent]:
        """Return the end of a complete answer's blocks; a refusal without text gets an explanation."""
        found: list[BlockEvent] = []
        cited = self.gathered.annotations if self.meta.search_query else []
        pages = [FoundPage(each.url_citation.url, each.url_citation.title) for each in cited]
        if explanation and not self.blocks.has_said:
            found += self.blocks.feed(ContentText(explanation))
        found += self.blocks.finish()
        if pages:
            self._searches = max(1, len(self._queries))
            query = next(iter(self._queries), self.meta.search_query)
            found += self.blocks.search(query, list(dict.fromkeys(pages)))
        return found

    def stopped(self, explanation: str = "") -> Stopped:
        """Return the stop reason of a complete answer; with an explanation it was refused."""
        if explanation:
            return Stopped("refusal", None, StopDetails(explanation))
        ended = self.gathered.ended
        if ended is not None and ended.stop_sequence:
            return Stopped("stop_sequence", ended.stop_sequence)
        return Stopped(_REASONS.get((ended and ended.finish_reason) or "stop", "end_turn"))

    @property
    def explanation(self) -> str:
        """The reason why an ended turn was refused; empty if it was not."""
        ended = self.gathered.ended
        if ended is None:
            return ""
        if ended.failure is not None:
            return ended.failure.message if ended.failure.code in REFUSAL_CODES else ""
        if ended.outcome is Outcome.FILTERED:
            return self.gathered.refusal or BLOCKED
        return self.gathered.refusal

    @property
    def failure(self) -> Failure | None:
        """The failure of an ended turn; an answer without visible content is one."""
        ended = self.gathered.ended
        if ended is None or self.explanation:
            return None
        if ended.failure is not None:
            return ended.failure
        is_cut = ended.finish_reason == "length" or bool(ended.stop_sequence)
        return None if self.blocks.has_said or is_cut else endings.EMPTY.ended().failure

    def usage(self, counts: TokenCounts | None) -> MessageUsage:
        """Return the usage of a complete message."""
        if counts is None:
            return MessageUsage(input_tokens=self.meta.input_tokens, output_tokens=1)
        return MessageUsage(
            input_tokens=max(0, counts.prompt_tokens - counts.cached_tokens),
            cache_read_input_tokens=counts.cached_tokens,
            output_tokens=counts.completion_tokens,
            server_tool_use=Searches(self._searches) if self._searches else UNSET,
        )


class MessageReply(_Answer):
    """A message that is collected before any of it is sent."""

    def __init__(self, meta: MessageMeta) -> None:
        super().__init__(meta)
        self._whole = GatheredBlocks()

    def take_batch(self, batch: Iterable[Rendered]) -> None:
        """Take a batch of the answer."""
        self._take(self.events(batch))

    def message(self, counts: TokenCounts | None) -> Message:
        """Return the message, once the turn has ended without a failure."""
        explanation = self.explanation
        self._take(self.closing(explanation))
        stopped = self.stopped(explanation)
        return Message(
            id=self.meta.id,
            model=self.meta.model,
            content=self._whole.blocks,
            stop_reason=stopped.stop_reason,
            stop_sequence=stopped.stop_sequence,
            stop_details=stopped.stop_details,
            usage=self.usage(counts),
        )

    def _take(self, events: Iterable[BlockEvent]) -> None:
        for event in events:
            self._whole.feed(event)


class MessageEvents(_Answer):
    """The events of one streamed message; one instance per answer."""

    def __init__(self, meta: MessageMeta) -> None:
        super().__init__(meta)
        begun = Message(
            id=meta.id,
            model=meta.model,
            content=[],
            usage=MessageUsage(input_tokens=meta.input_tokens, output_tokens=1),
        )
        self.opening = _frame(MessageStart(begun)) + _frame(Ping())
        self._around: tuple[int, bytes, bytes] = (
            -1,
            b"",
            b"",
        )  # the event for a text in the block of this index

    def keep_alive(self) -> bytes:
        """Return a ping and an empty delta, since some clients count the one and some the other."""
        return _frame(Ping()) + b"".join(map(_frame, self.blocks.rest()))

    def text(self, text: str) -> bytes:
        """Return the events of text whose pieces come to `gather` later."""
        if self.blocks.has_text and len(text) <= MAX_TEXT_CHARS:
            index, before, after = self._around
            if index != self.blocks.index:
                empty = _frame(BlockGrows(self.blocks.index, TextDelta("")))
                before, after = split_at_text(empty)
                self._around = (self.blocks.index, before, after)
            return before + to_json(text) + after
        return b"".join(map(_frame, self.blocks.text(text)))

    def gather(self, pieces: list[Rendered]) -> None:
        """Note pieces whose events have been sent."""
        self.gathered.feed_batch(pieces)

    def feed_batch(self, batch: Iterable[Rendered]) -> bytes:
        """Return the events of a batch."""
        return b"".join(map(_frame, self.events(batch)))

    def finish(self, counts: TokenCounts | None) -> bytes:
        """Return the end of a complete answer; one without visible content has failed."""
        if (failure := self.failure) is not None:
            return self.fail(failure)
        return self._end(self.explanation, counts)

    def fail(self, failure: Failure) -> bytes:
        """Return the end of a failed answer: an error, or a refusal in the upstream's words."""
        if failure.code in REFUSAL_CODES:
            return self._end(failure.message, None)
        closing = b"".join(map(_frame, self.blocks.break_off()))
        told = shortened(of_turn(failure, self.meta.input_tokens, self.meta.context_tokens))
        error = message_error(told, self.meta.request_id)
        return closing + b"event: error\ndata: %b\n\n" % to_json(error)

    def _end(self, explanation: str, counts: TokenCounts | None) -> bytes:
        events: list[MessageEvent] = [*self.closing(explanation)]
        events += [MessageGrows(self.stopped(explanation), self.usage(counts)), MessageStop()]
        return b"".join(map(_frame, events))


def _query_of(item: dict[str, Any]) -> str:
    """Return the query of a search, as the upstream reports it."""
    action = item.get("action")
    query = action.get("query") if isinstance(action, dict) else None
    return query if isinstance(query, str) else ""


def _frame(event: MessageEvent) -> bytes:
    kind = event.__struct_config__.tag
    return b"event: %b\ndata: %b\n\n" % (str(kind).encode(), to_json(event))
