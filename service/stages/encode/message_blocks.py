"""Rendered -> the blocks of a message: numbered, one open at a time, none of white space only."""

from collections import deque
from collections.abc import Iterator
from typing import Literal

import msgspec
from msgspec import Struct

from service.answers.messages import (
    NO_INPUT,
    Block,
    BlockEvent,
    BlockGrows,
    BlockStart,
    BlockStop,
    FoundBlock,
    FoundPage,
    InputDelta,
    SearchBlock,
    SignatureDelta,
    TextBlock,
    TextDelta,
    ThinkingBlock,
    ThinkingDelta,
    ToolUseBlock,
)
from service.stages.encode.chat import text_parts
from service.stages.encode.message_ids import signature_of, tool_use_id
from service.vocabulary.events import (
    FunctionArguments,
    FunctionCallStarted,
    ReasoningText,
    TurnFacts,
)
from service.vocabulary.native import (
    FunctionCallEnded,
    MessageEnded,
    MessageStarted,
    ReasoningEnded,
    ReasoningPart,
    RefusalText,
)
from service.vocabulary.rendered import ContentCited, ContentText, Rendered
from service.vocabulary.text import Pieces
from service.vocabulary.wire import to_json

_GAP = "\n\n"  # between parts of one piece of reasoning
MAX_FOUND_PAGES = 100  # per search; a page takes some 200 bytes, and a line is under 64 KiB


class Thinking(Struct, frozen=True):
    """Whether reasoning becomes a block of the answer, and whether the block has its text."""

    is_shown: bool = False
    has_words: bool = True


class MessageBlocks:
    """Cuts one answer into blocks.

    Args:
        message_id: of the answer; the ids of its calls are derived from it.
        thinking: how the caller wants reasoning.
    """

    def __init__(self, message_id: str, thinking: Thinking) -> None:
        self.index = -1  # the latest block
        self.has_text = False  # the open block has visible text
        self.has_said = False  # there is visible text, or a call
        self._message_id = message_id
        self._thinking = thinking
        self._open: Literal["", "thinking", "text", "tool_use"] = ""
        self._space: list[str] = []  # white space that a block of text would begin with
        self._has_thought = False  # the open block of reasoning has text
        self._needs_gap = False  # before its next text
        self._call: int | None = None  # the call whose arguments are arriving
        self._waiting: deque[Rendered] = deque()  # pieces that wait for its end

    def feed(self, piece: Rendered) -> Iterator[BlockEvent]:
        """Yield the events of a piece; pieces beside an open call wait for its end."""
        if self._call is not None and not self._is_of_call(piece):
            if isinstance(piece, _MAKING_BLOCKS):
                self._waiting.append(piece)
            return
        yield from self._take(piece)
        yield from self._drain()

    def _drain(self) -> Iterator[BlockEvent]:
        """Yield the events of pieces that need not wait any more."""
        while self._waiting and (self._call is None or self._is_of_call(self._waiting[0])):
            piece = self._waiting.popleft()
            yield from self._take(piece)
            if isinstance(piece, FunctionCallStarted):
                self._promote()

    def _is_of_call(self, piece: Rendered) -> bool:
        return (
            isinstance(piece, FunctionArguments | FunctionCallEnded) and piece.index == self._call
        )

    def _promote(self) -> None:
        """Move waiting pieces of the call that has just begun to the front."""
        own = [piece for piece in self._waiting if self._is_of_call(piece)]
        rest = [piece for piece in self._waiting if not self._is_of_call(piece)]
        self._waiting = deque([*own, *rest])

    # One short branch for each kind of piece: a table, split only at the cost of finding a kind.
    def _take(self, piece: Rendered) -> Iterator[BlockEvent]:  # noqa: C901, PLR0912 - see above
        if type(piece) is TurnFacts:
            return
        match piece:
            case ContentText(text) | ContentCited(text=text) | RefusalText(text):
                yield from self.text(text)
            case ReasoningText(text):
                yield from self._think(text)
            case FunctionCallStarted(index, call_id, name):
                self.has_said = True
                self._call = index
                tool_id = tool_use_id(call_id, self._message_id, index)
                yield from self._start("tool_use", ToolUseBlock(tool_id, name, NO_INPUT))
            case FunctionArguments(_, text):
                for part in text_parts(text):
                    yield BlockGrows(self.index, InputDelta(part))
            case FunctionCallEnded():
                self._call = None
                yield from self.close()
            case MessageStarted() | MessageEnded():
                if self.has_text:  # each message is a block of its own
                    yield from self.close()
            case ReasoningPart():
                self._needs_gap = self._has_thought
            case ReasoningEnded(sealed):
                yield from self._end_thought(sealed)
            case _:
                pass  # it has no block

    def text(self, text: str) -> Iterator[BlockEvent]:
        """Yield the events of a text; white space waits for visible text."""
        if not self.has_text:
            if not text or text.isspace():
                self._space.append(text)
                return
            text, self._space = "".join([*self._space, text]), []
            if self._open != "text":
                yield from self._start("text", TextBlock(""))
            self.has_text = self.has_said = True
        for part in text_parts(text):
            yield BlockGrows(self.index, TextDelta(part))

    def rest(self) -> Iterator[BlockEvent]:
        """Yield a keep-alive: an empty piece of the open block, or of a new one."""
        if not self._open and self._thinking.is_shown:
            yield from self._start("thinking", ThinkingBlock("", ""))
        elif not self._open:
            yield from self._start("text", TextBlock(""))
        match self._open:
            case "thinking":
                yield BlockGrows(self.index, ThinkingDelta(""))
            case "tool_use":
                yield BlockGrows(self.index, InputDelta(""))
            case _:
                yield BlockGrows(self.index, TextDelta(""))

    def finish(self) -> Iterator[BlockEvent]:
        """Yield the remaining events of a complete answer."""
        while self._waiting:
            self._call = None  # its end never came
            yield from self._drain()
        self._call = None
        yield from self.close()

    def close(self, sealed: str = "") -> Iterator[BlockEvent]:
        """Yield the end of the open block, if there is one; `sealed` is encrypted reasoning."""
        if self._open == "thinking":
            yield BlockGrows(self.index, SignatureDelta(signature_of(sealed)))
        if self._open:
            yield BlockStop(self.index)
        self._open, self.has_text, self._space = "", False, []
        self._has_thought = self._needs_gap = False

    def break_off(self) -> Iterator[BlockEvent]:
        """Yield the end of a failed answer's block; an unfinished call stays open, so none is made."""
        if self._open != "tool_use":
            yield from self.close()

    def search(self, query: str, pages: list[FoundPage]) -> Iterator[BlockEvent]:
        """Yield a search and its results, as two blocks."""
        yield from self.close()
        self.index += 1
        search_id = f"srv{tool_use_id('search', self._message_id, self.index)}"
        yield BlockStart(self.index, SearchBlock(search_id, NO_INPUT))
        asked = to_json({"query": query}).decode()
        yield BlockGrows(self.index, InputDelta(asked))
        yield BlockStop(self.index)
        self.index += 1
        yield BlockStart(self.index, FoundBlock(search_id, pages[:MAX_FOUND_PAGES]))
        yield BlockStop(self.index)

    def _think(self, text: str) -> Iterator[BlockEvent]:
        if not self._thinking.is_shown or not text:
            return
        if self._open != "thinking":
            yield from self._start("thinking", ThinkingBlock("", ""))
        if self._thinking.has_words:
            gap, self._needs_gap, self._has_thought = _GAP if self._needs_gap else "", False, True
            for part in text_parts(gap + text):
                yield BlockGrows(self.index, ThinkingDelta(part))

    def _end_thought(self, sealed: str) -> Iterator[BlockEvent]:
        """Yield the end of reasoning; encrypted reasoning alone becomes a block without text."""
        if not self._thinking.is_shown:
            return
        if self._open != "thinking" and sealed:
            yield from self._start("thinking", ThinkingBlock("", ""))
        if self._open == "thinking":
            yield from self.close(sealed)

    def _start(
        self, kind: Literal["thinking", "text", "tool_use"], block: Block
    ) -> Iterator[BlockEvent]:
        space = self._space
        yield from self.close()
        self.index += 1
        self._open = kind
        self._space = space if kind == "text" else []
        yield BlockStart(self.index, block)


# Other pieces have no content for a block.
_MAKING_BLOCKS = (
    *(ContentText, ContentCited, RefusalText, ReasoningText, ReasoningPart, ReasoningEnded),
    *(FunctionCallStarted, FunctionArguments, FunctionCallEnded, MessageStarted, MessageEnded),
)


class GatheredBlocks:
    """The blocks that an answer's events add up to."""

    def __init__(self) -> None:
        self._begun: list[tuple[Block, Pieces, Pieces]] = []  # each with its text and its signature

    def feed(self, event: BlockEvent) -> None:
        """Take one event."""
        match event:
            case BlockStart(_, block):
                self._begun.append((block, Pieces(), Pieces()))
            case BlockGrows(_, SignatureDelta(signature)):
                self._begun[-1][2].add(signature)
            case BlockGrows(_, TextDelta(text) | ThinkingDelta(text) | InputDelta(text)):
                self._begun[-1][1].add(text)
            case _:
                pass  # the end of a block adds nothing

    @property
    def blocks(self) -> list[Block]:
        """The blocks, each complete."""
        return [_whole(*begun) for begun in self._begun]


def _whole(block: Block, pieces: Pieces, signature: Pieces) -> Block:
    text = pieces.joined()
    match block:
        case TextBlock():
            return TextBlock(text)
        case ThinkingBlock():
            return ThinkingBlock(text, signature.joined())
        case ToolUseBlock(tool_id, name, _):
            return ToolUseBlock(tool_id, name, _input(text))
        case SearchBlock(search_id, _):
            return SearchBlock(search_id, _input(text))
        case FoundBlock():
            return block


def _input(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode()) if text.strip() else NO_INPUT
