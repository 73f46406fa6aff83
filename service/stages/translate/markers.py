"""Delta -> Delta: citations and file links out of the text (protocol 5, spec 7.2).

A marker may be cut anywhere between deltas. Text that may be the beginning of
one is held back, and only that; a whole marker waits for its reference, and the
text after it waits behind it.
"""

import re
from collections.abc import Iterable, Iterator

from msgspec import Struct, structs

from service.stages.translate.private_use import (
    MARKER_CLOSE,
    MARKER_OPEN,
    MAX_MARKER_CHARS,
    StripMarkers,
    without_markers,
)
from service.vocabulary.events import (
    AnswerStarted,
    AnswerText,
    AssetKind,
    AssetWanted,
    CitationResolved,
    Cited,
    Delta,
    LinkForm,
    Notice,
    ReasoningText,
    Reference,
    ReferencesKnown,
    Source,
    ToolCallText,
    ToolResult,
    TurnFacts,
)

# Spec 7.2: how much text may queue behind a marker that has no reference yet.
MAX_QUEUED_CHARS = 2000
MAX_PATH_CHARS = 1024

# What stops plain text: a private-use marker or styling mark, a bracket of the 2023
# form, a link into the sandbox, or (the group) an end that may become one of the last two.
_STOP = re.compile(
    "[\ue200-\ue206]|【|\\]\\(sandbox:/|sandbox:/"
    "|(\\]\\(?|(?:\\]\\()?s(?:a(?:n(?:d(?:b(?:o(?:x:?)?)?)?)?)?)?)\\Z"
)
_LINK = "sandbox:/"
_LAST_OF_START = frozenset("](sandbox:")  # how what may become a link ends
_NUMBERED = re.compile(r"【(\d{1,6})(?::(\d{1,6}))?†[^】\n]{0,300}】")
_NUMBERED_START = re.compile(r"【(?:\d{1,6}(?::\d{0,6})?(?:†[^】\n]{0,300})?)?\Z")
_TARGET = "](sandbox:"
_BARE = "sandbox:"
_BARE_PATH_END = re.compile(r"[\s()\[\]<>{}\"'`|*，。；：！？、（）【】「」『』《》“”]")
_SENTENCE_END = ".,;:!?"


def plain_chars(text: str) -> int:
    """Return how much of a text goes out as it is, the rest being held back; -1: not all is plain."""
    if text.isascii() and text[-1:] not in _LAST_OF_START and _LINK not in text:
        return len(text)  # most words, for less than a search costs
    stop = _STOP.search(text)
    if stop is None:
        return len(text)
    return -1 if stop[1] is None else stop.start()


class _Slot(Struct, frozen=True):
    """The place of a citation that went out, with the sources it had then."""

    number: int
    message_id: str
    marker: str
    start: int  # code points into the raw text of the message
    sources: tuple[Source, ...]


class Markers:
    """Replace markers by citations and file requests; one instance per answer."""

    def __init__(self) -> None:
        self._held = ""
        self._start = 0  # where `_held` begins in the raw text of the message
        self._message_id = ""
        self._conversation_id = ""
        self._references: dict[str, tuple[Reference, ...]] = {}
        self._slots: list[_Slot] = []
        self._reasoning = StripMarkers()
        self._calls: dict[str, StripMarkers] = {}  # by message id of the tool call

    @property
    def held(self) -> str:
        """The end of the text that is held back."""
        return self._held

    @property
    def is_idle(self) -> bool:
        """Whether no marker is under way: what is held back may at most become one."""
        return not self._held or plain_chars(self._held) == 0

    def feed(self, delta: Delta) -> Iterable[Delta]:
        """Return zero or more deltas for one; never waits."""
        if type(delta) is AnswerText and not self._held:
            size = len(delta.text)
            if plain_chars(delta.text) == size:
                self._start += size
                return (delta,)  # nearly all of them
        return self._feed(delta)

    def _feed(self, delta: Delta) -> Iterator[Delta]:
        match delta:
            case AnswerText(text):
                self._held += text
                yield from self._advance(is_end=False)
            case ReferencesKnown(message_id, references):
                self._references[message_id] = references
                yield from self._resolve(message_id)
                yield from self._advance(is_end=False)
            case ReasoningText(text):
                if shown := self._reasoning.feed(text):
                    yield ReasoningText(shown)
            case TurnFacts():
                self._conversation_id = delta.conversation_id or ""
                yield delta
            case _:
                yield from self._advance(is_end=True)
                if isinstance(delta, AnswerStarted):
                    self._message_id = delta.message_id
                    self._start = 0
                yield self._stripped(delta)

    def _stripped(self, delta: Delta) -> Delta:
        """Return a piece without private-use markers; other brackets in code stay."""
        match delta:
            case ToolCallText(message_id, _, text):
                strip = self._calls.setdefault(message_id, StripMarkers())
                return structs.replace(delta, text=strip.feed(text))
            case ToolResult(text):
                return ToolResult(without_markers(text))
            case Notice(kind, text):
                return Notice(kind, without_markers(text))
            case _:
                return delta

    def _advance(self, *, is_end: bool) -> Iterator[Delta]:
        """Give out what is decided; at the end of a message everything is."""
        while self._held:
            stop = _STOP.search(self._held)
            if stop is None:
                yield self._text(len(self._held))
                return
            if stop.start():
                yield self._text(stop.start())
            before = self._held
            yield from self._at_stop(is_end=is_end)
            if self._held is before:
                return  # it waits

    def _text(self, count: int) -> AnswerText:
        return AnswerText(self._take(count))

    def _take(self, count: int) -> str:
        taken, self._held = self._held[:count], self._held[count:]
        self._start += count
        return taken

    def _at_stop(self, *, is_end: bool) -> Iterator[Delta]:
        """Handle what stands at the very beginning of the held text, or leave it there."""
        first = self._held[0]
        if first == MARKER_OPEN:
            yield from self._private_use(is_end=is_end)
        elif first == "【":
            yield from self._numbered(is_end=is_end)
        elif first in "]s":
            yield from self._link(is_end=is_end)
        else:
            self._take(1)  # a styling mark

    # --- citations --------------------------------------------------------------

    def _private_use(self, *, is_end: bool) -> Iterator[Delta]:
        close = self._held.find(MARKER_CLOSE)
        reopened = self._held.find(MARKER_OPEN, 1)
        if reopened > 0 and (close < 0 or reopened < close):
            self._take(reopened)  # the first one was never closed
        elif close > 0:
            yield from self._citation(close + 1, is_end=is_end)
        elif len(self._held) > MAX_MARKER_CHARS:
            self._take(1)
        elif is_end:
            self._take(len(self._held))

    def _numbered(self, *, is_end: bool) -> Iterator[Delta]:
        whole = _NUMBERED.match(self._held)
        if whole is not None:
            yield from self._citation(whole.end(), is_end=is_end)
        elif _NUMBERED_START.match(self._held) is None:
            yield self._text(1)
        elif is_end:
            self._take(len(self._held))

    def _citation(self, length: int, *, is_end: bool) -> Iterator[Delta]:
        """Put the reference in place of the marker, wait for it, or give it up."""
        marker = self._held[:length]
        reference = self._find(self._message_id, marker, self._start)
        is_known = reference is not None and reference.is_complete
        if not is_known and not is_end and len(self._held) - length < MAX_QUEUED_CHARS:
            return
        start = self._start
        self._take(length)
        text = ""
        sources: tuple[Source, ...] = ()
        if reference is not None:
            text, sources = _citation_text(marker, reference), reference.sources
        slot = _Slot(len(self._slots) + 1, self._message_id, marker, start, sources)
        self._slots.append(slot)
        yield Cited(slot.number, text, sources)

    def _find(self, message_id: str, marker: str, start: int) -> Reference | None:
        """Return the reference of a marker; where several match, the nearest one."""
        matching = [
            reference
            for reference in self._references.get(message_id, ())
            if _is_match(marker, reference)
        ]
        return min(matching, key=lambda found: abs(found.start - start), default=None)

    def _resolve(self, message_id: str) -> Iterator[Delta]:
        """Add sources that places went out without: a reference may come late, or grow."""
        for place, slot in enumerate(self._slots):
            if slot.message_id != message_id:
                continue
            reference = self._find(message_id, slot.marker, slot.start)
            if reference is not None and not set(reference.sources) <= set(slot.sources):
                self._slots[place] = structs.replace(slot, sources=reference.sources)
                yield CitationResolved(slot.number, reference.sources)

    # --- links into the sandbox ---------------------------------------------------

    def _link(self, *, is_end: bool) -> Iterator[Delta]:
        if self._held.startswith(_TARGET + "/"):
            yield from self._target(is_end=is_end)
        elif self._held.startswith(_BARE + "/"):
            yield from self._bare(is_end=is_end)
        elif is_end:
            yield self._text(len(self._held))

    def _target(self, *, is_end: bool) -> Iterator[Delta]:
        end = _closing(self._held, 2)
        if end is not None and end > 0:
            path = self._take(end + 1)[len(_TARGET) : -1]
            yield self._file(path.strip(), LinkForm.TARGET)
        elif end == 0 or is_end or len(self._held) > MAX_PATH_CHARS:
            yield self._text(len(_TARGET))

    def _bare(self, *, is_end: bool) -> Iterator[Delta]:
        end = _BARE_PATH_END.search(self._held, len(_BARE))
        if end is None and not is_end and len(self._held) <= MAX_PATH_CHARS:
            return
        link = self._held[: end.start() if end else len(self._held)].rstrip(_SENTENCE_END)
        if len(link) <= len(_BARE) + 1 or len(link) > MAX_PATH_CHARS:
            yield self._text(len(_BARE))
        else:
            yield self._file(self._take(len(link))[len(_BARE) :], LinkForm.BARE)

    def _file(self, path: str, form: LinkForm) -> AssetWanted:
        return AssetWanted(
            kind=AssetKind.FILE,
            pointer=path,
            conversation_id=self._conversation_id,
            message_id=self._message_id,
            form=form,
        )


def _is_match(marker: str, reference: Reference) -> bool:
    if reference.matched_text:
        return reference.matched_text == marker
    numbers = _NUMBERED.fullmatch(marker)
    if numbers is None:
        return False
    first, second = numbers.groups()
    if second is not None and reference.file_index is not None:
        return reference.file_index == (int(first), int(second))
    return reference.index == int(first)


def _citation_text(marker: str, reference: Reference) -> str:
    """Return the Markdown of a citation (the table of spec 7.2)."""
    numbers = _NUMBERED.fullmatch(marker)
    if numbers is None:
        return reference.text
    for source in reference.sources:
        if source.url:
            return f"[[{numbers[1]}]({source.url})]"
    return next((f"[{source.title}]" for source in reference.sources if source.title), "")


def _closing(text: str, start: int) -> int | None:
    """Return where the parenthesis before `start` is closed; None: not yet; 0: it cannot be."""
    depth = 1
    for place in range(start, len(text)):
        match text[place]:
            case "\n":
                return 0
            case "(":
                depth += 1
            case ")":
                depth -= 1
                if depth == 0:
                    return place
            case _:
                pass
    return None
