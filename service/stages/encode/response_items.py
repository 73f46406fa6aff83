"""The output items of a response by kind, each with its events (openai-wire 8)."""

from typing import Any

import msgspec
from msgspec import UNSET, Struct
from typing_extensions import override  # typing has it from 3.12 on

from service.answers.response_events import (
    AnnotationAdded,
    ArgumentsDelta,
    ArgumentsDone,
    ContentPartAdded,
    ContentPartDone,
    CustomInputDelta,
    CustomInputDone,
    NumberedEvent,
    OutputItemAdded,
    OutputItemDone,
    OutputTextDelta,
    OutputTextDone,
    ReasoningDelta,
    ReasoningDone,
    RefusalDelta,
    RefusalDone,
    SummaryPartAdded,
    SummaryPartDone,
    SummaryTextDelta,
    SummaryTextDone,
)
from service.answers.responses import (
    CustomToolCall,
    ItemStatus,
    OutputItem,
    OutputMessage,
    OutputRefusal,
    OutputText,
    Reasoning,
    ReasoningWords,
    ResponseAnnotation,
    ResponseFunctionCall,
    SummaryText,
    ToolSearchCall,
)
from service.vocabulary.requests import Function
from service.vocabulary.text import Pieces
from service.vocabulary.wire import MAX_TEXT_CHARS

Events = list[NumberedEvent]


class Item:
    """One item; its events refer to it by `id` and `index`."""

    def __init__(self, item_id: str, index: int) -> None:
        self.id = item_id
        self.index = index
        self.status: ItemStatus = "in_progress"

    def record(self) -> OutputItem:
        """Return the item as it is now."""
        raise NotImplementedError

    def added(self) -> OutputItemAdded:
        """Return the event of the item's beginning."""
        return OutputItemAdded(output_index=self.index, item=self.record())

    def done(self) -> OutputItemDone:
        """Return the event of the item's end."""
        return OutputItemDone(output_index=self.index, item=self.record())


class GrowingItem(Item):
    """An item whose text arrives in pieces."""

    def closed(self) -> Events:
        """Return the events of its end; set its status first."""
        raise NotImplementedError

    def grow(self, text: str) -> Events:
        """Add text, and return its events."""
        raise NotImplementedError

    def still(self) -> NumberedEvent | None:
        """Return an event without content, as a keep-alive; None where no text is growing."""
        raise NotImplementedError


class _Part:
    """A part of an open item; `kind` distinguishes parts of different forms."""

    def __init__(self, index: int, kind: type[Struct]) -> None:
        self.index = index
        self.kind = kind
        self.annotations: list[ResponseAnnotation] = []
        self._texts = Pieces()

    @property
    def text(self) -> str:
        """All its text so far."""
        return self._texts.joined()

    def add(self, text: str) -> None:
        """Put text at the end."""
        self._texts.add(text)


class ReasoningItem(GrowingItem):
    """Reasoning: summaries or the full text, and its encrypted form.

    The latter is sent only where `shows_sealed` is set.
    """

    def __init__(self, item_id: str, index: int, *, shows_sealed: bool = False) -> None:
        super().__init__(item_id, index)
        self.sealed = ""
        self._shows_sealed = shows_sealed
        self._parts: list[_Part] = []
        self._is_open = False  # the last part

    @override
    def record(self) -> Reasoning:
        words = [ReasoningWords(part.text) for part in self._parts if part.kind is ReasoningWords]
        return Reasoning(
            self.id,
            self.status,
            [SummaryText(part.text) for part in self._parts if part.kind is SummaryText],
            words or UNSET,
            self.sealed if self.sealed and self._shows_sealed else UNSET,
        )

    @override
    def closed(self) -> Events:
        return [*self._close_part(), self.done()]

    @override
    def grow(self, text: str) -> Events:
        events = [] if self._is_open else self.begin_part(is_summary=True)
        self._parts[-1].add(text)
        return [*events, *(self._delta(piece) for piece in _pieces(text))]

    @override
    def still(self) -> NumberedEvent | None:
        return self._delta("") if self._is_open else None

    def begin_part(self, *, is_summary: bool) -> Events:
        """Begin a summary or the full text, and return its events."""
        events = self._close_part()
        kind = SummaryText if is_summary else ReasoningWords
        index = sum(part.kind is kind for part in self._parts)
        self._parts.append(_Part(index, kind))
        self._is_open = True
        if is_summary:
            place = self._place(index)
            events.append(SummaryPartAdded(**place, part=SummaryText("")))
        return events

    def _close_part(self) -> Events:
        if not self._is_open:
            return []
        self._is_open = False
        part, text = self._parts[-1], self._parts[-1].text
        if part.kind is ReasoningWords:
            where: dict[str, Any] = {"item_id": self.id, "output_index": self.index}
            return [ReasoningDone(**where, content_index=part.index, text=text)]
        place = self._place(part.index)
        done = SummaryPartDone(
            **place,
            part=SummaryText(text),
            status="incomplete" if self.status == "incomplete" else UNSET,
        )
        return [SummaryTextDone(**place, text=text), done]

    def _delta(self, text: str) -> NumberedEvent:
        part = self._parts[-1]
        if part.kind is ReasoningWords:
            return ReasoningDelta(
                item_id=self.id, output_index=self.index, content_index=part.index, delta=text
            )
        return SummaryTextDelta(**self._place(part.index), delta=text)

    def _place(self, summary_index: int) -> dict[str, Any]:
        return {"item_id": self.id, "output_index": self.index, "summary_index": summary_index}


class MessageItem(GrowingItem):
    """A message of the model: text with its citations, or a refusal."""

    def __init__(self, item_id: str, index: int, phase: str = "") -> None:
        super().__init__(item_id, index)
        self.chars = 0  # of text, without refusals
        self.phase = phase
        self._parts: list[_Part] = []

    @override
    def record(self) -> OutputMessage:
        content = [_content(part) for part in self._parts]
        return OutputMessage(self.id, self.status, content, phase=self.phase or UNSET)

    @override
    def closed(self) -> Events:
        return [*self._close_part(), self.done()]

    @override
    def grow(self, text: str) -> Events:
        self.chars += len(text)
        return self._extend(OutputText, text)

    @override
    def still(self) -> NumberedEvent | None:
        return self._delta("") if self._parts else None

    def refuse(self, text: str) -> Events:
        """Add text of a refusal, and return its events."""
        return self._extend(OutputRefusal, text)

    def cite(self, url: str, title: str, start: int, end: int) -> Events:
        """Annotate a range of the text, and return its event."""
        part = next((part for part in self._parts if part.kind is OutputText), None)
        if part is None:
            return []
        annotation = ResponseAnnotation(url, title or url, start, end)
        part.annotations.append(annotation)
        added = AnnotationAdded(
            item_id=self.id,
            output_index=self.index,
            content_index=part.index,
            annotation_index=len(part.annotations) - 1,
            annotation=annotation,
        )
        return [added]

    def _extend(self, kind: type[Struct], text: str) -> Events:
        events: Events = []
        if not self._parts or self._parts[-1].kind is not kind:
            events += self._close_part()
            part = _Part(len(self._parts), kind)
            self._parts.append(part)
            events.append(ContentPartAdded(**self._place(part), part=_content(part)))
        self._parts[-1].add(text)
        return [*events, *(self._delta(piece) for piece in _pieces(text))]

    def _close_part(self) -> Events:
        if not self._parts:
            return []
        part, place = self._parts[-1], self._place(self._parts[-1])
        whole = _content(part)
        end: NumberedEvent = (
            OutputTextDone(**place, text=whole.text)
            if isinstance(whole, OutputText)
            else RefusalDone(**place, refusal=whole.refusal)
        )
        return [end, ContentPartDone(**place, part=whole)]

    def _delta(self, text: str) -> NumberedEvent:
        part = self._parts[-1]
        kind = OutputTextDelta if part.kind is OutputText else RefusalDelta
        return kind(**self._place(part), delta=text)

    def _place(self, part: _Part) -> dict[str, Any]:
        return {"item_id": self.id, "output_index": self.index, "content_index": part.index}


def _content(part: _Part) -> OutputText | OutputRefusal:
    if part.kind is OutputText:
        return OutputText(part.text, list(part.annotations))
    return OutputRefusal(part.text)


def _pieces(text: str) -> list[str]:
    """Return text in pieces short enough for a line; none for an empty text."""
    return [text[at : at + MAX_TEXT_CHARS] for at in range(0, len(text), MAX_TEXT_CHARS)]


class CallItem(GrowingItem):
    """A call of one of the caller's functions; its text is the JSON of the arguments."""

    def __init__(self, item_id: str, index: int, call_id: str, function: Function) -> None:
        super().__init__(item_id, index)
        self._call_id = call_id
        self._name = function.own_name or function.name
        self._namespace = function.namespace or UNSET
        self._texts = Pieces()

    @property
    def text(self) -> str:
        """All its arguments so far."""
        return self._texts.joined()

    @override
    def record(self) -> OutputItem:
        return ResponseFunctionCall(
            self.id, self.status, self._call_id, self._name, self.text, self._namespace
        )

    @override
    def closed(self) -> Events:
        end = ArgumentsDone(
            item_id=self.id, output_index=self.index, name=self._name, arguments=self.text
        )
        return [end, self.done()]

    @override
    def grow(self, text: str) -> Events:
        self._texts.add(text)
        return [self.delta(piece) for piece in _pieces(text)]

    @override
    def still(self) -> NumberedEvent | None:
        return self.delta("")

    def delta(self, text: str) -> NumberedEvent:
        """Return the event for a piece of text."""
        return ArgumentsDelta(item_id=self.id, output_index=self.index, delta=text)


class CustomCallItem(CallItem):
    """A call of a custom tool; its text is the tool's input."""

    @override
    def record(self) -> CustomToolCall:
        return CustomToolCall(
            self.id, self.status, self._call_id, self._name, self.text, self._namespace
        )

    @override
    def closed(self) -> Events:
        end = CustomInputDone(item_id=self.id, output_index=self.index, input=self.text)
        return [end, self.done()]

    @override
    def delta(self, text: str) -> CustomInputDelta:
        return CustomInputDelta(item_id=self.id, output_index=self.index, delta=text)


class ToolSearchItem(CallItem):
    """A search for tools; its arguments stand in the item as an object, and no event has pieces."""

    @override
    def record(self) -> ToolSearchCall:
        arguments = self._arguments if self.status == "completed" else {}
        return ToolSearchCall(self.id, self.status, self._call_id, arguments)

    @property
    def _arguments(self) -> dict[str, Any]:
        value = msgspec.json.decode(self.text or "{}")
        return value if isinstance(value, dict) else {}

    @override
    def grow(self, text: str) -> Events:
        self._texts.add(text)
        return []

    @override
    def still(self) -> None:
        return None

    @override
    def closed(self) -> Events:
        return [self.done()]
