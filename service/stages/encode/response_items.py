"""The kinds of output items of a response, each with the events that tell of it (openai-wire 8)."""

from typing import cast, get_args

from msgspec import UNSET, structs
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
    PictureCompleted,
    PictureGenerating,
    PictureInProgress,
    SummaryPartAdded,
    SummaryPartDone,
    SummaryTextDelta,
    SummaryTextDone,
)
from service.answers.responses import (
    CustomToolCall,
    ImageGenerationCall,
    ItemStatus,
    OutputItem,
    OutputMessage,
    OutputText,
    PictureFormat,
    Reasoning,
    ResponseAnnotation,
    ResponseFunctionCall,
    SummaryText,
)
from service.vocabulary.events import Source
from service.vocabulary.rendered import AssetLinked
from service.vocabulary.requests import Function
from service.vocabulary.text import Pieces
from service.vocabulary.wire import MAX_TEXT_CHARS

Events = list[NumberedEvent]


class Item:
    """One item; its events name it by `id` and `index`."""

    def __init__(self, item_id: str, index: int) -> None:
        self.id = item_id
        self.index = index
        self.status: ItemStatus = "in_progress"
        self._texts = Pieces()

    @property
    def text(self) -> str:
        """All its text so far."""
        return self._texts.joined()

    def record(self) -> OutputItem:
        """Return the item as it is now."""
        raise NotImplementedError

    def added(self) -> OutputItemAdded:
        """Return the event of its beginning."""
        return OutputItemAdded(output_index=self.index, item=self.record())

    def done(self) -> OutputItemDone:
        """Return the event of its end."""
        return OutputItemDone(output_index=self.index, item=self.record())


class GrowingItem(Item):
    """An item whose text comes in pieces."""

    def opened(self) -> Events:
        """Return the events of its beginning."""
        raise NotImplementedError

    def closed(self) -> Events:
        """Return the events of its end; its status is set before."""
        raise NotImplementedError

    def delta(self, text: str) -> NumberedEvent:
        """Return the event that adds this text; an empty one is a sign of life."""
        raise NotImplementedError

    def grow(self, text: str) -> Events:
        """Take text, and return an event for each piece that one line can hold."""
        self._texts.add(text)
        return [
            self.delta(text[at : at + MAX_TEXT_CHARS]) for at in range(0, len(text), MAX_TEXT_CHARS)
        ]


class ReasoningItem(GrowingItem):
    """What was thought, as one summary."""

    @override
    def record(self) -> Reasoning:
        return Reasoning(self.id, self.status, [SummaryText(self.text)])

    @override
    def opened(self) -> Events:
        item = structs.replace(self.record(), summary=[])
        added = OutputItemAdded(output_index=self.index, item=item)
        part = SummaryPartAdded(item_id=self.id, output_index=self.index, part=SummaryText(""))
        return [added, part]

    @override
    def closed(self) -> Events:
        text = self.text
        return [
            SummaryTextDone(item_id=self.id, output_index=self.index, text=text),
            SummaryPartDone(
                item_id=self.id,
                output_index=self.index,
                part=SummaryText(text),
                status="incomplete" if self.status == "incomplete" else UNSET,
            ),
            self.done(),
        ]

    @override
    def delta(self, text: str) -> SummaryTextDelta:
        return SummaryTextDelta(item_id=self.id, output_index=self.index, delta=text)


class MessageItem(GrowingItem):
    """Text of the answer, with the citations that stand in it."""

    def __init__(self, item_id: str, index: int) -> None:
        super().__init__(item_id, index)
        self.chars = 0
        self._annotations: list[ResponseAnnotation] = []

    @override
    def record(self) -> OutputMessage:
        return OutputMessage(self.id, self.status, [self._part()])

    @override
    def opened(self) -> Events:
        added = OutputItemAdded(
            output_index=self.index, item=OutputMessage(self.id, self.status, [])
        )
        part = ContentPartAdded(item_id=self.id, output_index=self.index, part=OutputText(""))
        return [added, part]

    @override
    def grow(self, text: str) -> Events:
        self.chars += len(text)
        return super().grow(text)

    @override
    def closed(self) -> Events:
        part = self._part()
        return [
            OutputTextDone(item_id=self.id, output_index=self.index, text=part.text),
            ContentPartDone(item_id=self.id, output_index=self.index, part=part),
            self.done(),
        ]

    @override
    def delta(self, text: str) -> OutputTextDelta:
        return OutputTextDelta(item_id=self.id, output_index=self.index, delta=text)

    def cite(self, source: Source, start: int, end: int) -> AnnotationAdded:
        """Annotate a range of the text, and return the event that says so."""
        annotation = ResponseAnnotation(source.url, source.title or source.url, start, end)
        self._annotations.append(annotation)
        return AnnotationAdded(
            item_id=self.id,
            output_index=self.index,
            annotation_index=len(self._annotations) - 1,
            annotation=annotation,
        )

    def _part(self) -> OutputText:
        return OutputText(self.text, list(self._annotations))


class CallItem(GrowingItem):
    """A call of a function of the caller's; its text is the JSON of the arguments."""

    def __init__(self, item_id: str, index: int, call_id: str, function: Function) -> None:
        super().__init__(item_id, index)
        self._call_id = call_id
        self._name = function.own_name or function.name
        self._namespace = function.namespace or UNSET

    @override
    def record(self) -> OutputItem:
        return ResponseFunctionCall(
            self.id, self.status, self._call_id, self._name, self.text, self._namespace
        )

    @override
    def opened(self) -> Events:
        return [self.added()]

    @override
    def closed(self) -> Events:
        end = ArgumentsDone(
            item_id=self.id, output_index=self.index, name=self._name, arguments=self.text
        )
        return [end, self.done()]

    @override
    def delta(self, text: str) -> NumberedEvent:
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


class PictureItem(Item):
    """A picture, which comes whole. `result` is its content in base64, if that is known."""

    def __init__(self, item_id: str, index: int, asset: AssetLinked, result: str | None) -> None:
        super().__init__(item_id, index)
        self._asset = asset
        self._result = result

    @override
    def record(self) -> ImageGenerationCall:
        kind = self._asset.media_type.partition("/")[2]
        is_known = kind in get_args(PictureFormat)
        return ImageGenerationCall(
            self.id,
            self.status,
            self._result,
            revised_prompt=self._asset.revised_prompt or UNSET,
            output_format=cast(PictureFormat, kind) if is_known else UNSET,
            url=self._asset.url or UNSET,
        )

    def events(self) -> Events:
        """Return all its events, the last of which has the picture."""
        item = structs.replace(self.record(), result=None)
        start = OutputItemAdded(output_index=self.index, item=item)
        self.status = "completed"
        kinds = (PictureInProgress, PictureGenerating, PictureCompleted)
        steps = [kind(item_id=self.id, output_index=self.index) for kind in kinds]
        return [start, *steps, self.done()]
