"""The output items of a turn, and the meaning of each one's events (codex 3).

    response.output_item.added -> deltas of its text or arguments -> response.output_item.done

`done` is authoritative: what it contains beyond the deltas is sent then, and nothing is withdrawn.
Each kind of item has `feed` for the events between the two, and `finish` for its end, where the
item is None if it ended without one.
"""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from typing_extensions import TypeIs

from service.stages.codex.growing import GrowingText
from service.stages.codex.raw_events import Event
from service.vocabulary.endings import NOTHING, Seen
from service.vocabulary.events import (
    AnswerText,
    Delta,
    FunctionArguments,
    FunctionCallStarted,
    ReasoningText,
)
from service.vocabulary.native import (
    FunctionCallEnded,
    MessageEnded,
    MessageStarted,
    PictureFacts,
    PictureFailed,
    PictureMade,
    PicturePreview,
    PictureStarted,
    PictureStep,
    ReasoningEnded,
    ReasoningPart,
    ReasoningStarted,
    RefusalText,
    TextAnnotated,
    ToolItemEnded,
    ToolItemStarted,
    ToolItemStep,
)

MAX_PARTS = 1_000  # of one item; no real answer has more
_WEB = ("http://", "https://")
_MAX_WORD_CHARS = 64  # of a phase, a status, a size
# The last word of an event's name is the state of a tool; this one brings a preview.
_PREVIEW = "partial_image"
STEPS = frozenset(
    {"in_progress", "searching", "generating", "interpreting", "completed", "failed", _PREVIEW}
)
PICTURE_DETAILS = ("size", "quality", "background", "output_format")

_TEXT, _REFUSAL = Seen.TEXT, Seen.REFUSAL  # a member is slow to look up, and slower to join

JsonObject = dict[str, Any]


class OutputItem(Protocol):
    """One open item. `is_speaking`: items after it wait until it has ended.

    `seen` collects what it shows of the turn, and `rewrites` counts its texts that were replaced.
    """

    is_speaking: bool
    seen: Seen
    rewrites: int

    def begin(self, item: JsonObject, /) -> Iterator[Delta]:
        """Yield its beginning; called again if the announcement comes late."""

    def feed(self, event: Event) -> Iterator[Delta]:
        """Yield the deltas of one of its events."""

    def finish(self, item: JsonObject | None) -> Iterator[Delta]:
        """Yield the part of the item that no event contained, and its end."""


class Message:
    """A message for the caller, in parts; each part is text or a refusal."""

    is_speaking = True

    def __init__(self) -> None:
        self.seen = NOTHING
        self.rewrites = 0
        self._phase = ""
        self._is_begun = False
        self._chars = 0  # of text, without refusals
        self._parts: dict[
            int, tuple[GrowingText, int, bool]
        ] = {}  # with its place, and if it refuses
        self._cited: set[tuple[int, int, str]] = set()

    def begin(self, item: JsonObject, /) -> Iterator[Delta]:
        """Note the phase; it is sent with the first text, because only the end may tell it."""
        self._phase = self._phase or word_in(item, "phase")
        yield from ()

    def feed(self, event: Event) -> Iterator[Delta]:
        """Yield a piece of text, or a citation."""
        index = event.content_index or 0
        match event.type:
            case "response.output_text.delta" if event.delta:
                yield from self._say(index, event.delta, is_refusal=False)
            case "response.refusal.delta" if event.delta:
                yield from self._say(index, event.delta, is_refusal=True)
            case "response.output_text.done" if event.text is not None:
                self._note_whole(index, event.text, is_refusal=False)
            case "response.refusal.done" if event.refusal is not None:
                self._note_whole(index, event.refusal, is_refusal=True)
            case "response.output_text.annotation.added" if event.annotation is not None:
                yield from self._cite(index, event.annotation)
            case _:
                pass

    def finish(self, item: JsonObject | None) -> Iterator[Delta]:
        """Yield the text and the citations that no event contained."""
        self._phase = self._phase or word_in(item or {}, "phase")
        content = (item or {}).get("content")
        parts = content if isinstance(content, list) else []
        for index, part in enumerate(parts[:MAX_PARTS]):
            if isinstance(part, dict):
                yield from self._complete(index, part)
        for index, (text, _, is_refusal) in self._parts.items():
            if index >= len(parts):
                yield from self._out(text.complete(), is_refusal=is_refusal)
        yield from self._start()
        self.rewrites = sum(text.is_rewritten for text, _, _ in self._parts.values())
        yield MessageEnded(self._phase)

    def _complete(self, index: int, part: JsonObject) -> Iterator[Delta]:
        is_refusal = part.get("type") == "refusal"
        whole = part.get("refusal") if is_refusal else part.get("text")
        if not isinstance(whole, str):
            return
        text = self._part(index, is_refusal=is_refusal)
        if text is None:
            return
        yield from self._out(text.complete(whole), is_refusal=is_refusal)
        annotations = part.get("annotations")
        for annotation in annotations if isinstance(annotations, list) else ():
            if isinstance(annotation, dict):
                yield from self._cite(index, annotation)

    def _say(self, index: int, piece: str, *, is_refusal: bool) -> Iterator[Delta]:
        if (text := self._part(index, is_refusal=is_refusal)) is not None:
            yield from self._out(text.append(piece), is_refusal=is_refusal)

    def _note_whole(self, index: int, whole: str, *, is_refusal: bool) -> None:
        if (text := self._part(index, is_refusal=is_refusal)) is not None:
            text.whole = whole

    def _part(self, index: int, *, is_refusal: bool) -> GrowingText | None:
        found = self._parts.get(index)
        if found is None:
            if len(self._parts) >= MAX_PARTS:
                return None
            found = self._parts[index] = (GrowingText(), self._chars, is_refusal)
        return found[0] if found[2] is is_refusal else None

    def _out(self, text: str, *, is_refusal: bool) -> Iterator[Delta]:
        if not text:
            return
        yield from self._start()
        seen = _REFUSAL if is_refusal else _TEXT
        if self.seen is not seen:
            self.seen |= seen
        if is_refusal:
            yield RefusalText(text)
        else:
            self._chars += len(text)
            yield AnswerText(text)

    def _start(self) -> Iterator[Delta]:
        if not self._is_begun:
            self._is_begun = True
            yield MessageStarted(self._phase)

    def _cite(self, index: int, annotation: JsonObject) -> Iterator[Delta]:
        """Yield a citation of a page, once; offsets are code points of the part."""
        start, end = annotation.get("start_index"), annotation.get("end_index")
        url, title = annotation.get("url"), annotation.get("title")
        if annotation.get("type") != "url_citation" or not isinstance(url, str):
            return
        if not url.lower().startswith(_WEB):  # clients make a link of it
            return
        if not is_count(start) or not is_count(end) or start > end:
            return
        if self._part(index, is_refusal=False) is None:
            return
        place = self._parts[index][1]
        where = (start + place, end + place, url)
        if where not in self._cited and len(self._cited) < MAX_PARTS:
            self._cited.add(where)
            yield from self._start()
            yield TextAnnotated(*where, title if isinstance(title, str) else "")


class Reasoning:
    """Reasoning: summaries or the full text, and its encrypted form."""

    is_speaking = True
    seen = Seen.REASONING

    def __init__(self) -> None:
        self.rewrites = 0
        self._sealed = ""
        self._parts: dict[tuple[bool, int], GrowingText] = {}
        self._current: tuple[bool, int] | None = None
        self._is_begun = False

    def begin(self, _item: JsonObject, /) -> Iterator[Delta]:
        """Yield its beginning."""
        yield from self._start()

    def feed(self, event: Event) -> Iterator[Delta]:
        """Yield a piece of text."""
        yield from self._start()
        is_summary = event.type.startswith("response.reasoning_summary")
        key = (is_summary, (event.summary_index if is_summary else event.content_index) or 0)
        match event.type:
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                if event.delta and (text := self._part(key)) is not None:
                    yield from self._out(key, text.append(event.delta))
            case "response.reasoning_summary_text.done" | "response.reasoning_text.done":
                if event.text is not None and (text := self._part(key)) is not None:
                    text.whole = event.text
            case _:
                pass

    def finish(self, item: JsonObject | None) -> Iterator[Delta]:
        """Yield the text that no event contained, and the end."""
        yield from self._start()
        told = {
            **_texts(item, "summary", is_summary=True),
            **_texts(item, "content", is_summary=False),
        }
        for key, whole in told.items():
            if (text := self._part(key)) is not None:
                yield from self._out(key, text.complete(whole))
        for key, text in self._parts.items():
            if key not in told:
                yield from self._out(key, text.complete())
        self.rewrites = sum(text.is_rewritten for text in self._parts.values())
        sealed = (item or {}).get("encrypted_content")
        yield ReasoningEnded(sealed if isinstance(sealed, str) else "")

    def _start(self) -> Iterator[Delta]:
        if not self._is_begun:
            self._is_begun = True
            yield ReasoningStarted()

    def _part(self, key: tuple[bool, int]) -> GrowingText | None:
        found = self._parts.get(key)
        if found is None and len(self._parts) < MAX_PARTS:
            found = self._parts[key] = GrowingText()
        return found

    def _out(self, key: tuple[bool, int], text: str) -> Iterator[Delta]:
        if text:
            if key != self._current:
                self._current = key
                yield ReasoningPart(is_summary=key[0])
            yield ReasoningText(text)


class Call:
    """A call of one of the caller's functions or custom tools.

    Args:
        count: gives the call its index when it begins; a call without a name never begins.
        names: the caller's names of tools by the names that were sent.
        is_custom: its input is text, not JSON.
    """

    is_speaking = False
    rewrites = 0

    def __init__(self, count: Callable[[], int], names: dict[str, str], *, is_custom: bool) -> None:
        self.seen = NOTHING
        self._count = count
        self._index = -1
        self._names = names
        self._is_custom = is_custom
        self._text = GrowingText()
        self._waiting: list[str] = []  # until its name is known

    def begin(self, item: JsonObject, /) -> Iterator[Delta]:
        """Yield the name of the function, as soon as it is known."""
        name, call_id = item.get("name"), item.get("call_id") or item.get("id")
        if not isinstance(name, str) or not isinstance(call_id, str):
            return
        if self.seen or not name:
            return
        self.seen = Seen.CALL
        self._index = self._count()
        namespace = item.get("namespace")
        yield FunctionCallStarted(
            self._index,
            call_id,
            self._names.get(name, name),
            namespace=namespace if isinstance(namespace, str) else "",
            is_custom=self._is_custom,
        )
        if self._waiting:
            yield FunctionArguments(self._index, "".join(self._waiting))
            self._waiting.clear()

    def feed(self, event: Event) -> Iterator[Delta]:
        """Yield a piece of the arguments."""
        match event.type:
            case (
                "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta"
            ) if event.delta:
                yield from self._out(self._text.append(event.delta))
            case "response.function_call_arguments.done" if event.arguments is not None:
                self._text.whole = event.arguments
            case "response.custom_tool_call_input.done" if event.input is not None:
                self._text.whole = event.input
            case _:
                pass

    def finish(self, item: JsonObject | None) -> Iterator[Delta]:
        """Yield the rest of the arguments, and the end."""
        yield from self.begin(item or {})
        whole = (item or {}).get("input" if self._is_custom else "arguments")
        yield from self._out(self._text.complete(whole if isinstance(whole, str) else None))
        if self.seen:
            yield FunctionCallEnded(self._index)

    def _out(self, text: str) -> Iterator[Delta]:
        if text and self.seen:
            yield FunctionArguments(self._index, text)
        elif text:
            self._waiting.append(text)


class Picture:
    """A picture drawn by the model; `number` counts the pictures of an answer."""

    is_speaking = False
    seen = Seen.ITEM
    rewrites = 0

    def __init__(self, number: int) -> None:
        self._number = number
        self._is_begun = False

    def begin(self, _item: JsonObject, /) -> Iterator[Delta]:
        """Yield its beginning."""
        if not self._is_begun:
            self._is_begun = True
            yield PictureStarted(self._number)

    def feed(self, event: Event) -> Iterator[Delta]:
        """Yield its state, where the event tells of one."""
        step = step_of(event.type)
        if step == _PREVIEW and event.partial_image_b64:
            index = event.partial_image_index or 0
            yield PicturePreview(self._number, index, event.partial_image_b64)
        elif step != _PREVIEW and step in STEPS:
            yield PictureStep(self._number, step)

    def finish(self, item: JsonObject | None) -> Iterator[Delta]:
        """Yield the picture, or its failure."""
        item = item or {}
        content, prompt = item.get("result"), item.get("revised_prompt")
        if not isinstance(content, str) or not content:
            yield PictureFailed(self._number)
            return
        details = {name: value for name in PICTURE_DETAILS if (value := word_in(item, name))}
        facts = PictureFacts(self._number, details)
        yield PictureMade(facts, content, prompt if isinstance(prompt, str) else "")


class ToolItem:
    """The use of any other tool of the back end; `number` counts such uses in an answer."""

    is_speaking = False
    seen = Seen.ITEM
    rewrites = 0

    def __init__(self, number: int) -> None:
        self._number = number
        self._item: JsonObject | None = None

    def begin(self, item: JsonObject, /) -> Iterator[Delta]:
        """Yield its beginning."""
        if self._item is None:
            self._item = without_id(item)
            yield ToolItemStarted(self._number, self._item)

    def feed(self, event: Event) -> Iterator[Delta]:
        """Yield its state, where the event tells of one."""
        if (step := step_of(event.type)) in STEPS:
            yield ToolItemStep(self._number, step)

    def finish(self, item: JsonObject | None) -> Iterator[Delta]:
        """Yield the complete item."""
        yield ToolItemEnded(self._number, without_id(item) if item else self._item or {})


def step_of(kind: str) -> str:
    """Return the last part of an event's name: `searching` of `response.web_search_call.searching`."""
    return kind.rpartition(".")[2]


def without_id(item: JsonObject) -> JsonObject:
    """Return an item without its id, which means nothing outside of the back end."""
    return {name: value for name, value in item.items() if name != "id"}


def word_in(item: JsonObject, name: str) -> str:
    """Return a short text of an item, empty where it has none."""
    value = item.get(name)
    return value[:_MAX_WORD_CHARS] if isinstance(value, str) else ""


def is_count(value: object) -> TypeIs[int]:
    """Tell whether a value is a whole number of 0 or more."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _texts(item: JsonObject | None, name: str, *, is_summary: bool) -> dict[tuple[bool, int], str]:
    parts = (item or {}).get(name)
    return {
        (is_summary, index): part["text"]
        for index, part in enumerate(parts if isinstance(parts, list) else ())
        if isinstance(part, dict) and isinstance(part.get("text"), str)
    }
