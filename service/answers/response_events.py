"""The events of a streamed response (openai-wire 8), each with `event:` equal to its `type`.

`sequence_number` is added when an event is written.

    event: response.output_text.delta
    data: {"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_…","delta":"Hi",…}
"""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from service.answers.responses import (
    ModelResponse,
    OutputItem,
    OutputRefusal,
    OutputText,
    ResponseAnnotation,
    SummaryText,
)
from service.vocabulary.wire import ErrorDetails


class NumberedEvent(Struct, frozen=True, kw_only=True, tag_field="type"):
    """The fields of all events."""

    sequence_number: int = 0

    @property
    def type(self) -> str:
        """The kind of event, such as `response.created`."""
        return str(self.__struct_config__.tag)


class LifecycleEvent(NumberedEvent, frozen=True, kw_only=True):
    """An event of the response as a whole."""

    response: ModelResponse


class ResponseCreated(LifecycleEvent, frozen=True, tag="response.created"):
    """The stream begins."""


class ResponseQueued(LifecycleEvent, frozen=True, tag="response.queued"):
    """The response is in the background and waits for its turn."""


class ResponseInProgress(LifecycleEvent, frozen=True, tag="response.in_progress"):
    """The response is in progress; sent once at the start and later as a keep-alive."""


class ResponseCompleted(LifecycleEvent, frozen=True, tag="response.completed"):
    """The response is complete."""


class ResponseIncomplete(LifecycleEvent, frozen=True, tag="response.incomplete"):
    """The response was cut short, or was cancelled."""


class ResponseFailed(LifecycleEvent, frozen=True, tag="response.failed"):
    """The response failed; its output holds what had arrived. The event `error` follows."""


class ResponseFailure(NumberedEvent, frozen=True, kw_only=True, tag="error"):
    """The last event of a failed stream, after `response.failed`."""

    code: str | None
    message: str
    param: None = None
    error: ErrorDetails


class _OfOutput(NumberedEvent, frozen=True, kw_only=True):
    output_index: int


class OutputItemAdded(_OfOutput, frozen=True, kw_only=True, tag="response.output_item.added"):
    """An item begins."""

    item: OutputItem


class OutputItemDone(_OfOutput, frozen=True, kw_only=True, tag="response.output_item.done"):
    """An item is complete."""

    item: OutputItem


class _OfItem(_OfOutput, frozen=True, kw_only=True):
    item_id: str


class _OfText(_OfItem, frozen=True, kw_only=True):
    content_index: int = 0


class ContentPartAdded(_OfText, frozen=True, kw_only=True, tag="response.content_part.added"):
    """The text or the refusal of a message begins."""

    part: OutputText | OutputRefusal


class ContentPartDone(_OfText, frozen=True, kw_only=True, tag="response.content_part.done"):
    """The text or the refusal of a message is complete."""

    part: OutputText | OutputRefusal


class OutputTextDelta(_OfText, frozen=True, kw_only=True, tag="response.output_text.delta"):
    """A piece of a message's text; an empty one is a keep-alive."""

    delta: str
    logprobs: list[Any] = []


class OutputTextDone(_OfText, frozen=True, kw_only=True, tag="response.output_text.done"):
    """The text of a message is complete."""

    text: str
    logprobs: list[Any] = []


class RefusalDelta(_OfText, frozen=True, kw_only=True, tag="response.refusal.delta"):
    """A piece of a refusal."""

    delta: str


class RefusalDone(_OfText, frozen=True, kw_only=True, tag="response.refusal.done"):
    """A refusal is complete."""

    refusal: str


class AnnotationAdded(
    _OfText, frozen=True, kw_only=True, tag="response.output_text.annotation.added"
):
    """A citation of the text before it."""

    annotation_index: int
    annotation: ResponseAnnotation


class _OfSummary(_OfItem, frozen=True, kw_only=True):
    summary_index: int = 0


class SummaryPartAdded(
    _OfSummary, frozen=True, kw_only=True, tag="response.reasoning_summary_part.added"
):
    """A part of a reasoning summary begins."""

    part: SummaryText


class SummaryPartDone(
    _OfSummary, frozen=True, kw_only=True, tag="response.reasoning_summary_part.done"
):
    """A part of a reasoning summary is complete."""

    part: SummaryText
    status: Literal["incomplete"] | UnsetType = UNSET


class SummaryTextDelta(
    _OfSummary, frozen=True, kw_only=True, tag="response.reasoning_summary_text.delta"
):
    """A piece of a reasoning summary's text."""

    delta: str


class SummaryTextDone(
    _OfSummary, frozen=True, kw_only=True, tag="response.reasoning_summary_text.done"
):
    """The text of a reasoning summary is complete."""

    text: str


class ReasoningDelta(_OfText, frozen=True, kw_only=True, tag="response.reasoning_text.delta"):
    """A piece of the full reasoning text."""

    delta: str


class ReasoningDone(_OfText, frozen=True, kw_only=True, tag="response.reasoning_text.done"):
    """The full reasoning text is complete."""

    text: str


class ArgumentsDelta(
    _OfItem, frozen=True, kw_only=True, tag="response.function_call_arguments.delta"
):
    """A piece of a call's arguments."""

    delta: str


class ArgumentsDone(
    _OfItem, frozen=True, kw_only=True, tag="response.function_call_arguments.done"
):
    """The arguments of a call are complete."""

    name: str
    arguments: str


class CustomInputDelta(
    _OfItem, frozen=True, kw_only=True, tag="response.custom_tool_call_input.delta"
):
    """A piece of the input of a custom tool."""

    delta: str


class CustomInputDone(
    _OfItem, frozen=True, kw_only=True, tag="response.custom_tool_call_input.done"
):
    """The input of a custom tool is complete."""

    input: str


class PictureInProgress(_OfItem, frozen=True, tag="response.image_generation_call.in_progress"):
    """A picture has been requested."""


class PictureGenerating(_OfItem, frozen=True, tag="response.image_generation_call.generating"):
    """A picture is being drawn."""


class PicturePartial(
    _OfItem, frozen=True, kw_only=True, tag="response.image_generation_call.partial_image"
):
    """A preview of a picture."""

    partial_image_index: int
    partial_image_b64: str


class PictureCompleted(_OfItem, frozen=True, tag="response.image_generation_call.completed"):
    """A picture is finished; `response.output_item.done` holds it."""


class SearchInProgress(_OfItem, frozen=True, tag="response.web_search_call.in_progress"):
    """A search begins."""


class SearchSearching(_OfItem, frozen=True, tag="response.web_search_call.searching"):
    """A search is under way."""


class SearchCompleted(_OfItem, frozen=True, tag="response.web_search_call.completed"):
    """A search is over."""


ResponseEvent = (
    ResponseCreated
    | ResponseQueued
    | ResponseInProgress
    | ResponseCompleted
    | ResponseIncomplete
    | ResponseFailed
    | ResponseFailure
    | OutputItemAdded
    | OutputItemDone
    | ContentPartAdded
    | ContentPartDone
    | OutputTextDelta
    | OutputTextDone
    | RefusalDelta
    | RefusalDone
    | AnnotationAdded
    | SummaryPartAdded
    | SummaryPartDone
    | SummaryTextDelta
    | SummaryTextDone
    | ReasoningDelta
    | ReasoningDone
    | ArgumentsDelta
    | ArgumentsDone
    | CustomInputDelta
    | CustomInputDone
    | PictureInProgress
    | PictureGenerating
    | PicturePartial
    | PictureCompleted
    | SearchInProgress
    | SearchSearching
    | SearchCompleted
)
