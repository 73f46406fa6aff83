"""Splits a model's text into text for the caller and blocks that call functions.

    Let me look. <tool_call>{"name": "get_weather", "arguments": {"city": "Oslo"}}</tool_call>

A call is JSON between `<tool_call>` and `</tool_call>`, or, since models fall back to what they know,
JSON by itself at the start of a line that names a function of this request. Code fences around
either belong to it. The result does not depend on where the text was cut into pieces, and only text
that may begin a call is held back.
"""

import re
from collections.abc import Collection, Iterable, Iterator

from service.stages.function_calls.call_block import (
    END_TAG,
    FENCE_LINE,
    FENCE_LINE_PART,
    TAG,
    Block,
    CallBlock,
    Opening,
    PlainText,
)

_MAX_OPENING_CHARS = 256  # more than the longest match of the expressions below
_SPACE = re.compile(r"\s+")
_RUN = re.compile(r"\S[^<\n]*")
_HEAD = re.compile(r'(?:\[\s{0,64})?\{\s{0,64}"([a-z_]{1,20})"')
_HEAD_PART = re.compile(r'(?:\[\s{0,64})?(?:\{\s{0,64}(?:"[a-z_]{0,20})?)?')
# The first keys of a call's JSON, in any shape that is read.
_FIRST_KEYS = frozenset(
    [
        "name",
        "recipient_name",
        "function",
        "function_call",
        "tool_calls",
        "tool_uses",
        "tool_call",
        "tool",
        "type",
        "id",
        "index",
        "arguments",
        "parameters",
        "args",
        "input",
        "role",
        "content",
    ]
)


class FindCalls:
    """Finds the calls in the text of one message; one instance per message."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = frozenset(names)
        self._rest = ""  # undecided text, which may begin a call
        self._space = ""  # white space that belongs to a call if one follows
        self._block: Block | None = None
        self._is_line_start = True
        self._is_after_block = False
        self._has_text = False

    def feed(self, text: str) -> list[PlainText | CallBlock]:
        """Return the text and blocks that are decided by now."""
        self._rest += text
        return _merged(self._scan(is_final=False))

    def finish(self) -> list[PlainText | CallBlock]:
        """Return the rest at the end of the message."""
        pieces = list(self._scan(is_final=True))
        while self._rest:  # after a block that never ended
            pieces += self._scan(is_final=True)
        if self._space and not self._is_after_block:
            pieces.append(PlainText(self._space))
        self._space = ""
        return _merged(pieces)

    def interrupt(self) -> list[PlainText | CallBlock]:
        """Return the held text, because something other than text follows."""
        pieces = self.finish()
        self._is_line_start, self._has_text = False, True
        return pieces

    @property
    def is_in_block(self) -> bool:
        """Whether the text is inside a call, as far as is known."""
        return self._block is not None

    def _scan(self, *, is_final: bool) -> Iterator[PlainText | CallBlock]:
        text, at, self._rest = self._rest, 0, ""
        while at < len(text) or (is_final and self._block):
            if self._block is not None:
                at = self._block.feed(text, at, is_final=is_final)
                if not self._block.is_over:
                    break
                yield self._closed(self._block, is_final=is_final)
            elif space := _SPACE.match(text, at):
                self._space += space[0]
                self._is_line_start |= "\n" in space[0]
                at = space.end()
            elif not is_final and self._may_open(text, at):
                break
            elif opening := self._opening(text, at):
                self._block = Block(text[at : opening.end], opening, self._names)
                at = opening.end
            else:
                run = text[at : _run_end(text, at)]
                yield self._plain(run)
                at += len(run)
        self._rest += text[at:]

    def _plain(self, text: str) -> PlainText:
        """Return text with the white space before it, unless that follows a call."""
        space = "" if self._is_after_block and not self._has_text else self._space
        self._space = ""
        self._has_text = True
        self._is_line_start = self._is_after_block = False
        return PlainText(space + text)

    def _closed(self, block: Block, *, is_final: bool) -> PlainText | CallBlock:
        """Return a block's result; if it never ended, the text after its start is read again."""
        self._block = None
        result = block.result()
        if isinstance(result, PlainText):
            text = result.text
            if is_final and block.is_cut:
                first, line_end, self._rest = text.partition("\n")
                text = first + line_end
            plain = self._plain(text.rstrip())
            self._space = text[len(text.rstrip()) :]
            self._is_line_start = "\n" in self._space
            return plain
        self._space = ""
        self._is_line_start = self._is_after_block = True
        if is_final and block.is_cut and END_TAG in result.text:
            head, end_tag, self._rest = result.text.partition(END_TAG)
            return CallBlock(head + end_tag, (), result.problem)
        return result

    def _opening(self, text: str, at: int) -> Opening | None:
        if text.startswith(TAG, at):
            return Opening(at + len(TAG), is_tagged=True, has_fence=False)
        if not self._is_line_start:
            return None
        fence = FENCE_LINE.match(text, at)
        start = fence.end() if fence else at
        if fence and text.startswith(TAG, start):
            return Opening(start + len(TAG), is_tagged=True, has_fence=True)
        head = _HEAD.match(text, start)
        if head and head[1] in _FIRST_KEYS:
            return Opening(start, is_tagged=False, has_fence=bool(fence))
        return None

    def _may_open(self, text: str, at: int) -> bool:
        """Tell whether the text from a place on is part of an opening."""
        rest = text[at : at + _MAX_OPENING_CHARS]
        if len(rest) >= _MAX_OPENING_CHARS:
            return False
        if len(rest) < len(TAG) and TAG.startswith(rest):
            return True
        if not self._is_line_start:
            return False
        fence = FENCE_LINE.match(rest)
        inner = rest[fence.end() :] if fence else rest
        if _HEAD_PART.fullmatch(inner) or (fence and TAG.startswith(inner) and inner != TAG):
            return True
        return FENCE_LINE_PART.fullmatch(rest) is not None


def _run_end(text: str, at: int) -> int:
    """Return the end of text that cannot begin a call, without its trailing white space."""
    run = _RUN.match(text, at)
    return at + len(run[0].rstrip()) if run else at + 1


def _merged(pieces: Iterable[PlainText | CallBlock]) -> list[PlainText | CallBlock]:
    """Return the pieces with neighbouring texts merged."""
    kept: list[PlainText | CallBlock] = []
    texts: list[str] = []
    for piece in pieces:
        if isinstance(piece, PlainText):
            texts.append(piece.text)
            continue
        if texts:
            kept.append(PlainText("".join(texts)))
            texts = []
        kept.append(piece)
    return [*kept, PlainText("".join(texts))] if texts else kept
