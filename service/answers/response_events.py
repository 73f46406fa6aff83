"""The events of a streamed response (openai-wire 8), each with `event:` equal to its `type`.

    event: response.output_text.delta
    data: {"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_…","delta":"Hi",…}

`sequence_number` is put in as an event is written.
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
    """What all events have."""

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


class ResponseInProgress(LifecycleEvent, frozen=True, tag="response.in_progress"):
    """A sign of life, the first one always."""


class ResponseCompleted(LifecycleEvent, frozen=True, tag="response.completed"):
    """The response is complete."""


class ResponseIncomplete(LifecycleEvent, frozen=True, tag="response.incomplete"):
    """The response ended before its end, or was cancelled."""


class ResponseFailed(LifecycleEvent, frozen=True, tag="response.failed"):
    """The response failed; what had arrived is in its output. `error` follows."""


class ResponseFailure(NumberedEvent, frozen=True, kw_only=True, tag="error"):
    """The end of a stream that failed, after `response.failed`."""

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
    """An item is whole."""

    item: OutputItem


class _OfItem(_OfOutput, frozen=True, kw_only=True):
    item_id: str


class _OfText(_OfItem, frozen=True, kw_only=True):
    content_index: int = 0


class ContentPartAdded(_OfText, frozen=True, kw_only=True, tag="response.content_part.added"):
    """The text of a message begins, or a refusal."""

    part: OutputText | OutputRefusal


class ContentPartDone(_OfText, frozen=True, kw_only=True, tag="response.content_part.done"):
    """The text of a message is whole, or a refusal."""

    part: OutputText | OutputRefusal


class OutputTextDelta(_OfText, frozen=True, kw_only=True, tag="response.output_text.delta"):
    """Text of a message; an empty one is a sign of life."""

    delta: str
    logprobs: list[Any] = []


class OutputTextDone(_OfText, frozen=True, kw_only=True, tag="response.output_text.done"):
    """The text of a message is whole."""

    text: str
    logprobs: list[Any] = []


class RefusalDelta(_OfText, frozen=True, kw_only=True, tag="response.refusal.delta"):
    """Words of a refusal."""

    delta: str


class RefusalDone(_OfText, frozen=True, kw_only=True, tag="response.refusal.done"):
    """A refusal is whole."""

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
    """What is thought begins."""

    part: SummaryText


class SummaryPartDone(
    _OfSummary, frozen=True, kw_only=True, tag="response.reasoning_summary_part.done"
):
    """What was thought is whole."""

    part: SummaryText
    status: Literal["incomplete"] | UnsetType = UNSET


class SummaryTextDelta(
    _OfSummary, frozen=True, kw_only=True, tag="response.reasoning_summary_text.delta"
):
    """Text of what is thought."""

    delta: str


class SummaryTextDone(
    _OfSummary, frozen=True, kw_only=True, tag="response.reasoning_summary_text.done"
):
    """What was thought is whole."""

    text: str


class ReasoningDelta(_OfText, frozen=True, kw_only=True, tag="response.reasoning_text.delta"):
    """Words that are thought."""

    delta: str


class ReasoningDone(_OfText, frozen=True, kw_only=True, tag="response.reasoning_text.done"):
    """What was thought is whole."""

    text: str


class ArgumentsDelta(
    _OfItem, frozen=True, kw_only=True, tag="response.function_call_arguments.delta"
):
    """Part of the arguments of a call."""

    delta: str


class ArgumentsDone(
    _OfItem, frozen=True, kw_only=True, tag="response.function_call_arguments.done"
):
    """The arguments of a call are whole."""

    name: str
    arguments: str


class CustomInputDelta(
    _OfItem, frozen=True, kw_only=True, tag="response.custom_tool_call_input.delta"
):
    """Part of the input of a custom tool."""

    delta: str


class CustomInputDone(
    _OfItem, frozen=True, kw_only=True, tag="response.custom_tool_call_input.done"
):
    """The input of a custom tool is whole."""

    input: str


class PictureInProgress(_OfItem, frozen=True, tag="response.image_generation_call.in_progress"):
    """A picture is asked for."""


class PictureGenerating(_OfItem, frozen=True, tag="response.image_generation_call.generating"):
    """A picture is drawn."""


class PicturePartial(
    _OfItem, frozen=True, kw_only=True, tag="response.image_generation_call.partial_image"
):
    """A picture as far as it is drawn."""

    partial_image_index: int
    partial_image_b64: str


class PictureCompleted(_OfItem, frozen=True, tag="response.image_generation_call.completed"):
    """A picture is there; `response.output_item.done` has it."""


class SearchInProgress(_OfItem, frozen=True, tag="response.web_search_call.in_progress"):
    """A search begins."""


class SearchSearching(_OfItem, frozen=True, tag="response.web_search_call.searching"):
    """A search is under way."""


class SearchCompleted(_OfItem, frozen=True, tag="response.web_search_call.completed"):
    """A search is over."""


ResponseEvent = (
    ResponseCreated
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
