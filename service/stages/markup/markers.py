"""Delta -> Delta: replaces citations, links and page markup in the text (protocol 5, spec 7.2).

    "Water is wet\ue200cite\ue202turn0search1\ue201."  ->  "Water is wet [Example](https://…)."

A marker may be cut anywhere between deltas. Text that may begin a marker is held back, and only that;
a complete marker waits for its reference, and the text after it waits too. Whatever the text, each of
its characters is looked at a bounded number of times.
"""

import re
from collections.abc import Sequence

from msgspec import structs

from service.stages.markup.citations import NUMBERED, Citations, Place
from service.stages.markup.directives import (
    CITATION,
    FENCE,
    Directives,
    Found,
    is_incomplete,
)
from service.stages.markup.labels import Shown, Step, shown_at
from service.stages.markup.links import BARE, TARGET, LinkEnds, without_sentence_end
from service.stages.markup.private_use import (
    MARKER_OPEN,
    StripMarkers,
    marker_end,
    without_markers,
)
from service.stages.markup.references import Reference, ReferencesKnown, in_table
from service.vocabulary.events import (
    AnswerBlock,
    AnswerStarted,
    AnswerText,
    AssetKind,
    AssetWanted,
    Cited,
    Delta,
    LinkForm,
    Notice,
    ReasoningText,
    ToolCallText,
    ToolResult,
    TurnEnded,
    TurnFacts,
)

# Spec 7.2: the most text that waits behind a marker without a reference.
MAX_QUEUED_CHARS = 2000


def _beginnings(*words: str) -> str:
    """Return a pattern for every beginning of these words, the longest first."""

    def tail(word: str) -> str:
        return re.escape(word[0]) + (f"(?:{tail(word[1:])})?" if len(word) > 1 else "")

    return "|".join(tail(word[:-1]) for word in words)


# The end of plain text: a private-use marker or styling mark, a bracket of the 2023 form, a link
# into the sandbox, markup of the page, or (the group) an end that may become one of these.
_STOP = re.compile(
    f"[\ue200-\ue206]|【|{re.escape(TARGET)}/|{BARE}/|{FENCE}|{re.escape(CITATION)}"
    f"|({_beginnings(TARGET + '/', BARE + '/', CITATION, FENCE)})\\Z"
)
# The last characters of a possible beginning of a link; all other beginnings contain a colon.
_LAST_OF_START = frozenset((TARGET + BARE).replace("/", ""))
# All that `_STOP` finds but the beginning of a link has one of these; a class is found much faster.
_SIGN = re.compile("[\ue200-\ue206【:]")
_NUMBERED_START = re.compile(r"【(?:\d{1,6}(?::\d{0,6})?(?:†[^【】\n]{0,300})?)?\Z")


def plain_chars(text: str) -> int:
    """Return the number of characters that can be sent now, the rest being held; -1 if not all is plain."""
    has_sign = ":" in text if text.isascii() else _SIGN.search(text) is not None
    if not has_sign and text[-1:] not in _LAST_OF_START:
        return len(text)  # most texts, cheaper than a search
    # Without a sign, only the end may become a link.
    stop = _STOP.search(text, 0 if has_sign else max(0, len(text) - len(TARGET)))
    if stop is None:
        return len(text)
    return -1 if stop[1] is None else stop.start()


class Markers:
    """Replaces markers by citations and file requests; one instance per answer."""

    def __init__(self) -> None:
        self._held = ""
        self._start = 0  # the place of `_held` in the message's raw text
        self._last = "\n"  # the character before it
        self._searched = 0  # the part of its first marker already searched for an end
        self._message_id = ""
        self._conversation_id = ""
        self._citations: dict[str, Citations] = {}  # by message id
        self._directives = Directives()
        self._ends: LinkEnds | None = None  # most answers need none
        self._slots = 0
        self._strips: dict[str, StripMarkers] = {}  # by id of a tool call's message; "": reasoning

    @property
    def held(self) -> str:
        """The end of the text that is held back."""
        return self._held

    @property
    def is_idle(self) -> bool:
        """Whether no marker is open; held text may at most begin one."""
        return not self._held or plain_chars(self._held) == 0

    def feed(self, delta: Delta | ReferencesKnown) -> Sequence[Delta]:
        """Return zero or more deltas for one; never waits."""
        if type(delta) is AnswerText:
            text = delta.text
            if not self._held and plain_chars(text) == len(text):
                self._start += len(text)
                self._last = text[-1:] or self._last
                return (delta,)  # nearly all deltas
            self._held += text
            return self._advance(is_end=False)
        if type(delta) is TurnFacts:
            self._conversation_id = delta.conversation_id or ""
            return (delta,)
        if type(delta) is ReasoningText:
            shown = self._strip("", delta.text)
            return (ReasoningText(shown),) if shown else ()
        if type(delta) is ReferencesKnown:
            resolved = self._citations_of(delta.message_id).learn(delta.references)
            return [*resolved, *self._advance(is_end=False)]
        told = self._advance(is_end=True) if self._held else []
        if type(delta) is AnswerStarted:
            self._message_id, self._start, self._last = delta.message_id, 0, "\n"
            self._directives.begin()
        told.append(self._stripped(delta))
        return told

    def _strip(self, key: str, text: str) -> str:
        strip = self._strips.get(key)
        if strip is None:
            strip = self._strips[key] = StripMarkers()
        return strip.feed(text)

    def _links(self) -> LinkEnds:
        if self._ends is None:
            self._ends = LinkEnds()
        return self._ends

    def _citations_of(self, message_id: str) -> Citations:
        return self._citations.setdefault(message_id, Citations())

    def _stripped(self, delta: Delta) -> Delta:
        """Return a piece without private-use markers; other brackets in code stay."""
        if type(delta) is AnswerStarted or type(delta) is TurnEnded:
            return delta
        match delta:
            case ToolCallText(message_id, _, text):
                return structs.replace(delta, text=self._strip(message_id, text))
            case ToolResult(text):
                return ToolResult(without_markers(text))
            case AnswerBlock(text=text, title=title):
                told = {"title": without_markers(title), "text": without_markers(text)}
                return structs.replace(delta, **told)
            case Notice(kind, text):
                return Notice(kind, without_markers(text))
            case _:
                return delta

    def _advance(self, *, is_end: bool) -> list[Delta]:
        """Return the deltas that are decided; at the end of a message, all of them."""
        told: list[Delta] = []
        text, begin, at = self._held, 0, 0
        if not text:
            return told
        links = self._links()
        links.look_at(text)
        while (stop := _STOP.search(text, at)) is not None:
            at = stop.start()
            step = self._at_stop(text, at, is_end=is_end)
            if step is None:
                break  # it waits
            if not step.is_text:
                if begin < at:
                    told.append(AnswerText(text[begin:at]))
                if step.piece is not None:
                    told.append(step.piece)
                begin = step.end
            at = step.end
        else:
            at = len(text)
        if begin < at:
            told.append(AnswerText(text[begin:at]))
        self._held, self._start = text[at:], self._start + at
        links.drop(at)
        self._last = text[at - 1 : at] or self._last
        return told

    def _at_stop(self, text: str, at: int, *, is_end: bool) -> Step | None:
        """Return the step to take at a character that may open a marker, None while it has to wait."""
        first = text[at]
        if first == MARKER_OPEN:
            return self._private_use(text, at, is_end=is_end)
        if first == "【":
            return self._numbered(text, at, is_end=is_end)
        if first == ":":
            return self._directive(text, at, is_end=is_end)
        if first in "]s":
            return self._link(text, at, is_end=is_end)
        return Step(at + 1)  # a styling mark

    # --- citations --------------------------------------------------------------

    def _private_use(self, text: str, at: int, *, is_end: bool) -> Step | None:
        searched, self._searched = (0 if at else self._searched), 0
        found = marker_end(text, at, searched)
        if found is None:
            self._searched = 0 if is_end else len(text) - at
            return Step(len(text)) if is_end else None
        end, is_whole = found
        return self._marker(text, at, end, is_end=is_end) if is_whole else Step(end)

    def _numbered(self, text: str, at: int, *, is_end: bool) -> Step | None:
        if (whole := NUMBERED.match(text, at)) is not None:
            return self._marker(text, at, whole.end(), is_end=is_end)
        if _NUMBERED_START.match(text, at) is None:
            return Step(at + 1, is_text=True)
        return Step(len(text)) if is_end else None

    def _marker(self, text: str, at: int, end: int, *, is_end: bool) -> Step | None:
        """Replace a complete marker, wait for its reference, or give it up."""
        marker, start = text[at:end], self._start + at
        citations = self._citations_of(self._message_id)
        reference = citations.find(marker, start)
        is_known = reference is not None and reference.is_complete
        if not is_known and not is_end and len(text) - end < MAX_QUEUED_CHARS:
            return None
        self._slots += 1
        shown = _shown(marker, reference)
        used = None if reference is None else reference.start
        citations.place(marker, Place(self._slots, start, shown.sources, used))
        return Step(end, piece=Cited(self._slots, shown.text, shown.sources, shown.words))

    # --- markup of the page -------------------------------------------------------

    def _directive(self, text: str, at: int, *, is_end: bool) -> Step | None:
        before = text[at - 1] if at else self._last
        found: Found = None
        if text.startswith(CITATION, at):
            found = self._directives.at_citation(text, at, is_end=is_end)
        elif text.startswith(FENCE, at) and before == "\n":
            found = self._directives.at_fence(text, at, is_end=is_end)
        elif text.startswith(FENCE, at):
            found = at + 1, True  # the last of the colons may begin a citation
        elif is_end:
            found = len(text), not is_incomplete(text[at:])
        return None if found is None else Step(found[0], is_text=found[1])

    # --- links into the sandbox ---------------------------------------------------

    def _link(self, text: str, at: int, *, is_end: bool) -> Step | None:
        if text.startswith(TARGET + "/", at):
            return self._target(text, at, is_end=is_end)
        if text.startswith(BARE + "/", at):
            return self._bare(text, at, is_end=is_end)
        return Step(len(text), is_text=True) if is_end else None

    def _target(self, text: str, at: int, *, is_end: bool) -> Step | None:
        end = self._links().of_target(at)
        if end:
            path = text[at + len(TARGET) : end]
            return Step(end + 1, piece=self._file(path.strip(), LinkForm.TARGET))
        if end is None and not is_end:
            return None
        return Step(at + len(TARGET), is_text=True)

    def _bare(self, text: str, at: int, *, is_end: bool) -> Step | None:
        end = self._links().of_path(at)
        if end is None:
            if not is_end:
                return None
            end = len(text)
        link = without_sentence_end(text[at:end])
        if len(link) <= len(BARE + "/"):
            return Step(at + len(BARE), is_text=True)
        return Step(at + len(link), piece=self._file(link[len(BARE) :], LinkForm.BARE))

    def _file(self, path: str, form: LinkForm) -> AssetWanted:
        return AssetWanted(
            kind=AssetKind.FILE,
            pointer=path,
            conversation_id=self._conversation_id,
            message_id=self._message_id,
            form=form,
        )


def _shown(marker: str, reference: Reference | None) -> Shown:
    """Return the replacement of a marker of either form."""
    numbers = NUMBERED.fullmatch(marker)
    if numbers is None:
        return shown_at(marker, reference)
    sources = reference.sources if reference else ()
    for source in sources:
        if source.url:
            return Shown(f"[[{numbers[1]}]({source.url})]", "", sources)
    named = next((source.title for source in sources if source.title), "")
    return Shown(f"[{in_table(named)}]" if named else "", "", sources)
