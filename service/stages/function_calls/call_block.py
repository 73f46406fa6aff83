"""One place in a model's text that calls functions, from its opening to its end."""

import re
from typing import Any

from msgspec import Struct

from service.stages.function_calls.call_shapes import (
    ShapeError,
    WrittenCall,
    calls_in,
    decode,
    is_call,
)

TAG, END_TAG = "<tool_call>", "</tool_call>"
FENCE = "```"
FENCE_LINE = re.compile(r"```[\w+-]{0,20}[ \t]{0,16}\r?\n\s{0,64}")
FENCE_LINE_PART = re.compile(r"`{1,2}|```[\w+-]{0,20}[ \t]{0,16}(?:\r|\r?\n\s{0,64})?")
MAX_BLOCK_CHARS = 1_000_000  # a longer one is no call
_MAX_JUNK_CHARS = 500  # between the JSON of a call and its end tag
_MAX_BARE_CHARS = 10_000  # between tags without JSON in between

_OUTSIDE = re.compile(r'["{}\[\]<]')  # significant characters outside of a string
_INSIDE = re.compile(r'["\\]')
_NAMED = re.compile(r'"(?:recipient_)?name"\s*:\s*"(?:functions\.)?([^"]+)"')
_TOKEN = re.compile(
    rf"\s*(?:(?P<end>{END_TAG})|(?P<tag>{TAG})|(?P<fence>```)|(?P<value>[{{\[])"
    r"|(?P<comma>,)|(?P<junk>\S))"
)


class PlainText(Struct, frozen=True, gc=False):
    """Text that is not part of a call."""

    text: str


class CallBlock(Struct, frozen=True):
    """A place that calls functions: the calls, or the problem with them."""

    text: str
    calls: tuple[WrittenCall, ...]
    problem: str = ""


class Opening(Struct, frozen=True):
    """The start of a block: the place of its content, and the open tags and fences."""

    end: int
    is_tagged: bool
    has_fence: bool


class _JsonEnd:
    """Finds the end of a JSON object or array by counting brackets outside of strings."""

    def __init__(self) -> None:
        self._depth = 0
        self._is_string = False
        self._is_escaped = False
        self.is_broken = False  # by a tag outside of a string

    def feed(self, text: str, at: int) -> int:
        """Return the place after the end, or -1 while there is none."""
        while at < len(text):
            if self._is_escaped:
                self._is_escaped = False
                at += 1
                continue
            found = (_INSIDE if self._is_string else _OUTSIDE).search(text, at)
            if found is None:
                return -1
            at = found.end()
            self._take(found[0])
            if self.is_broken:
                return found.start()
            if self._depth == 0:
                return at
        return -1

    def _take(self, mark: str) -> None:
        match mark:
            case '"':
                self._is_string = not self._is_string
            case "\\":
                self._is_escaped = True
            case "{" | "[":
                self._depth += 1
            case "<":
                self.is_broken = True
            case _:
                self._depth -= 1


class Block:
    """One block, read from after its opening to its end."""

    def __init__(self, raw: str, opening: Opening, names: frozenset[str]) -> None:
        self.is_over = False
        self._names = names
        self._text = [raw]
        self._size = len(raw)
        self._is_tagged = self._is_tag_open = opening.is_tagged
        self._fences = int(opening.has_fence)
        self._value: _JsonEnd | None = None
        self._parts: list[str] = []  # of the JSON value being read
        self._values: list[str] = []
        self._is_fresh = True  # nothing but the tag has been read
        self._is_broken = False

    @property
    def raw(self) -> str:
        """All text of the block."""
        return "".join(self._text)

    @property
    def is_cut(self) -> bool:
        """Whether the text ended inside its JSON."""
        return self._value is not None

    def feed(self, text: str, at: int, *, is_final: bool) -> int:
        """Read text from a place on; return the place to continue, in this block or after it."""
        start = at
        text = text[: at + MAX_BLOCK_CHARS - self._size]
        while not self.is_over and at < len(text):
            if self._value is not None:
                step = self._read(self._value, text, at)
            else:
                step = self._between(text, at, is_final=is_final)
            if step < 0:
                break
            at = step
        self._text.append(text[start:at])
        self._size += at - start
        self.is_over |= is_final or self._size >= MAX_BLOCK_CHARS
        return at

    def result(self) -> PlainText | CallBlock:
        """Return the finished block as text or as calls."""
        if self._is_broken or self.is_cut:
            return self._unread("the JSON is not complete")
        if self._is_tagged and not self._values:
            if self._is_tag_open:
                return PlainText(self.raw)  # the tag was only mentioned
            return CallBlock(self.raw, (), "there is no JSON object between the tags")
        try:
            values = [decode(value) for value in self._values]
        except ShapeError as error:
            return self._unread(str(error))
        return self._read_calls(values)

    def _read_calls(self, values: list[Any]) -> PlainText | CallBlock:
        if not self._is_tagged and not all(is_call(value, self._names) for value in values):
            return PlainText(self.raw)
        try:
            return CallBlock(self.raw, tuple(call for value in values for call in calls_in(value)))
        except ShapeError as error:
            return CallBlock(self.raw, (), str(error))

    def _unread(self, problem: str) -> PlainText | CallBlock:
        """Return unreadable JSON as a problem if it was meant as a call, else as text."""
        is_meant = self._is_tagged or (
            '"arguments"' in self.raw and not self._names.isdisjoint(_NAMED.findall(self.raw))
        )
        return CallBlock(self.raw, (), problem) if is_meant else PlainText(self.raw)

    def _read(self, value: _JsonEnd, text: str, at: int) -> int:
        """Read on in a JSON value; return the place after what was read."""
        end = value.feed(text, at)
        if value.is_broken:
            self._is_broken = True
            self._value = None
            self.is_over = not self._is_tag_open
            return end
        if end < 0:
            self._parts.append(text[at:])
            return len(text)
        self._values.append("".join([*self._parts, text[at:end]]))
        self._parts.clear()
        self._value = None
        self.is_over = not self._is_tag_open and not self._fences
        return end

    def _between(self, text: str, at: int, *, is_final: bool) -> int:
        """Read one mark; return the place after it, or -1 if more text is needed."""
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            return -1
        kind, place = found.lastgroup, found.start(found.lastgroup)
        if kind == "junk" and not is_final and _may_grow(text, place):
            return -1
        if kind == "fence" and (self._fences or self._is_tag_open):
            return self._fence(text, at, place, is_final=is_final)
        if self._turns(kind):
            return place if kind == "value" else found.end()
        if self._is_tag_open:
            return self._junk(text, at, place, is_final=is_final)
        self.is_over = True
        return at

    def _turns(self, kind: str) -> bool:
        """Open or close what a mark opens or closes; return whether it does."""
        if kind == "end" and self._is_tag_open:
            self._end_tag()
            return True
        if kind == "tag" and self._fences and not self._is_tag_open:
            self._is_tagged = self._is_tag_open = self._is_fresh = True
            return True
        if kind == "value":  # the tag or the fence is open, otherwise the block would be over
            self._value, self._is_fresh = _JsonEnd(), False
            return True
        return kind == "comma" and self._is_tag_open

    def _end_tag(self) -> None:
        self._is_tag_open = False
        self.is_over = not self._fences

    def _fence(self, text: str, at: int, place: int, *, is_final: bool) -> int:
        if self._is_tag_open and self._is_fresh:
            if line := FENCE_LINE.match(text, place):
                self._fences += 1
                return line.end()
            if not is_final and FENCE_LINE_PART.fullmatch(text, place):
                return -1
        elif self._fences:
            self._fences -= 1
            self.is_over = not self._fences and not self._is_tag_open
            return place + len(FENCE)
        return self._junk(text, at, place, is_final=is_final)

    def _junk(self, text: str, at: int, place: int, *, is_final: bool) -> int:
        """Skip unexpected text before the end tag, within a limit."""
        limit = _MAX_JUNK_CHARS if self._values else _MAX_BARE_CHARS
        window = text[place : place + limit]
        end, tag = window.find(END_TAG), window.find(TAG)
        if end >= 0 and not 0 <= tag < end:
            self._end_tag()
            return place + end + len(END_TAG)
        if tag < 0 and len(window) < limit and not is_final:
            return -1
        self.is_over = True
        return at


def _may_grow(text: str, at: int) -> bool:
    """Tell whether the end of the text may become a mark."""
    rest = text[at : at + len(END_TAG)]
    return any(len(rest) < len(mark) and mark.startswith(rest) for mark in (END_TAG, TAG, FENCE))
