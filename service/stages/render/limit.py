"""Rendered -> Rendered: `max_tokens` and `stop`, which the upstream does not know (spec 6.1).

Theory of operation
-------------------

Both limits look at `content` only, and the result never depends on where the upstream cut its text
into pieces. So text waits in two cases:

* The end of the text may begin a stop string: `</a` waits while the stop string is `</answer>`.
* Close to the token limit, a word waits for its end, since `un` and `unable` are one token each.
"""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Protocol, get_args

from msgspec import structs

from service.vocabulary import endings
from service.vocabulary.events import (
    CitationResolved,
    FunctionArguments,
    FunctionCallStarted,
    TurnEnded,
)
from service.vocabulary.native import NativeRendered
from service.vocabulary.rendered import ContentCited, ContentText, Rendered

# o200k never joins a letter or digit with one of these: tokens before such a place are final.
BREAK = re.compile(r"(?<=[^\W_])(?=[\s,.;:!?()\"，。、；：！？（）“”])")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
# A text of this size is counted at once: 5 ms on the event loop.
BLOCK_CHARS = 64_000
# A run of this length without a break is no word, and its tokens are taken as final. The commonest
# long tokens are runs of one character, 3 (digits), 8, 16, 64 or 128 long: this is a multiple of
# each.
MAX_WORD_CHARS = 1_152


_STOP = endings.COMPLETE.ended()
_LENGTH = endings.LENGTH.ended()


class Encoding(Protocol):
    """The part of a tokenizer that is used here."""

    def encode_ordinary(self, text: str) -> list[int]:
        """Return the tokens of a text."""

    def decode_bytes(self, tokens: Sequence[int]) -> bytes:
        """Return the UTF-8 bytes of the tokens; the last character may be cut."""


def tokenizable(text: str) -> str:
    """Return the text with each lone surrogate, which UTF-8 cannot encode, replaced."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


class _StopCut:
    """Lets text through up to the first stop string."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = stops
        self._held = ""  # the end of the text that may begin a stop string
        self.ending: TurnEnded | None = None

    def feed(self, text: str) -> str:
        text = self._held + text
        found = [(at, stop) for stop in self._stops if (at := text.find(stop)) >= 0]
        if found:
            at, stop = min(found)
            self.ending = structs.replace(_STOP, stop_sequence=stop)
            self._held = ""
            return text[:at]
        held = max(_overlap(text, stop) for stop in self._stops)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def finish(self) -> str:
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """Return the length of the longest end of the text that begins the stop string."""
    for size in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:size]):
            return size
    return 0


class _TokenCut:
    """Lets text through up to a number of tokens.

    A text has no more tokens than bytes, so nothing is counted while there are fewer bytes since
    the last final place than tokens left.
    """

    def __init__(self, max_tokens: int, encoding: Encoding) -> None:
        self._encoding = encoding
        self._left = max_tokens  # tokens for the text after the last final place
        self._tail: list[str] = []  # that text,
        self._tail_bytes = 0  # its size,
        self._passed = 0  # and how many of its characters were let through
        self.ending: TurnEnded | None = None

    def feed(self, text: str) -> str:
        self._tail.append(text)
        self._tail_bytes += _utf8_size(text)
        if self._tail_bytes > min(self._left, BLOCK_CHARS):
            return self._settle(is_final=False)
        self._passed += len(text)
        return text

    def finish(self) -> str:
        return self._settle(is_final=True)

    def _settle(self, *, is_final: bool) -> str:
        tail, at = "".join(self._tail), 0
        while self.ending is None and (end := _settled_end(tail, at, is_final=is_final)) > at:
            at = self._count(tail, at, end)
        if self._left == 0 and at < len(tail):
            self.ending = self.ending or _LENGTH
        may_pass = at
        if self.ending is None:
            may_pass += _chars_of_bytes(tail[at:], self._left)
        out = tail[self._passed : may_pass]
        self._tail, self._passed = [tail[at:]], may_pass - at
        self._tail_bytes = _utf8_size(tail[at:])
        return out

    def _count(self, tail: str, start: int, end: int) -> int:
        """Subtract the tokens of a final part; return its end, or where the limit cuts it."""
        tokens = self._encoding.encode_ordinary(tokenizable(tail[start:end]))
        is_more_to_come = end < len(tail)
        if len(tokens) + is_more_to_come <= self._left:
            self._left -= len(tokens)
            return end
        self.ending = _LENGTH
        kept = self._encoding.decode_bytes(tokens[: self._left])
        return start + len(kept.decode("utf-8", "ignore"))


def _settled_end(tail: str, start: int, *, is_final: bool) -> int:
    """Return the end of a part whose tokens cannot change any more, or `start`."""
    limit = min(start + BLOCK_CHARS, len(tail))
    if is_final and limit == len(tail):
        return limit
    last = start
    for found in BREAK.finditer(tail, start, limit):
        last = found.start()
    if last == start and limit - start >= MAX_WORD_CHARS:
        last = start + MAX_WORD_CHARS
    return last


def _utf8_size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _chars_of_bytes(text: str, size: int) -> int:
    """Return the number of characters from the start of the text that fit into `size` bytes."""
    if text.isascii():
        return min(len(text), size)
    encoded = tokenizable(text[:size]).encode()[:size]
    return len(encoded.decode("utf-8", "ignore"))


# Pieces that keep their place within the text.
_FOLLOWING = (CitationResolved, FunctionCallStarted, FunctionArguments, *get_args(NativeRendered))


class Limit:
    """Ends an answer at a stop string or after `max_tokens`; one instance per answer.

    At a cut it yields a `TurnEnded` of its own, and nothing after it.
    """

    def __init__(
        self, max_tokens: int | None, stop: tuple[str, ...], encoding: Encoding | None
    ) -> None:
        self._scans: list[_StopCut | _TokenCut] = [_StopCut(stop)] if stop else []
        if max_tokens is not None and encoding is not None:
            self._scans.append(_TokenCut(max_tokens, encoding))
        self._waiting: deque[Rendered] = deque()
        self._passed = 0  # characters of the waiting pieces that may be sent
        self._is_over = False

    def feed(self, piece: Rendered) -> Iterator[Rendered]:
        """Yield the pieces that can be sent now; never waits."""
        if self._is_over:
            return
        match piece:
            case ContentText(text) | ContentCited(text=text):
                self._waiting.append(piece)
                yield from self._advance(text, is_final=False)
            case _ if self._waiting and isinstance(piece, _FOLLOWING):
                self._waiting.append(piece)  # the text before it may still be waiting
            case TurnEnded():
                yield from self._advance("", is_final=True)
                if not self._is_over:
                    self._is_over = True
                    yield piece
            case _:
                yield piece

    def _advance(self, text: str, *, is_final: bool) -> Iterator[Rendered]:
        ending: TurnEnded | None = None
        for scan in self._scans:
            text = scan.feed(text) if text else ""
            if is_final and scan.ending is None:
                text += scan.finish()
            if scan.ending is not None:
                ending, is_final = scan.ending, True
        self._passed += len(text)
        yield from self._release()
        if ending is not None:
            self._is_over = True
            yield from self._rest()
            yield ending

    def _release(self) -> Iterator[Rendered]:
        """Yield the waiting pieces that may be sent; a citation is never split."""
        while self._waiting:
            piece = self._waiting[0]
            size = len(piece.text) if isinstance(piece, ContentText | ContentCited) else 0
            if size > self._passed:
                if self._passed and isinstance(piece, ContentText):
                    yield ContentText(piece.text[: self._passed])
                    self._waiting[0] = ContentText(piece.text[self._passed :])
                    self._passed = 0
                return
            self._passed -= size
            yield self._waiting.popleft()

    def _rest(self) -> Iterator[Rendered]:
        """Yield the part of a citation that was cut in its middle, as plain text."""
        if self._passed and isinstance(piece := self._waiting[0], ContentCited):
            yield ContentText(piece.text[: self._passed])
        self._waiting.clear()
