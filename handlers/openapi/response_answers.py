"""What `/v1/responses` answers, as records: the object, its output and the events of its stream.

They describe only, as those of `answers.py`.
"""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from handlers.openapi.answers import TurnNames

ItemStatus = Literal["in_progress", "completed", "incomplete"]


class ResponseAnnotation(Struct):
    """A citation; the offsets are code points of the item's text."""

    type: Literal["url_citation"]
    url: str
    title: str
    start_index: int
    end_index: int


class OutputText(Struct):
    """The text of an output message."""

    type: Literal["output_text"]
    text: str
    annotations: list[ResponseAnnotation]
    logprobs: list[Any]


class OutputMessage(Struct, tag_field="type", tag="message"):
    """What the model says."""

    id: str
    status: ItemStatus
    role: Literal["assistant"]
    content: list[OutputText]


class SummaryText(Struct):
    """Text of what was thought."""

    type: Literal["summary_text"]
    text: str


class Reasoning(Struct, tag_field="type", tag="reasoning"):
    """What the model thought."""

    id: str
    status: ItemStatus
    summary: list[SummaryText]


class ResponseFunctionCall(Struct, tag_field="type", tag="function_call"):
    """A call that the model wants; `arguments` is JSON text."""

    id: str
    status: ItemStatus
    call_id: str
    name: str
    arguments: str


class ImageGenerationCall(Struct, tag_field="type", tag="image_generation_call"):
    """A picture; `result` is its content in base64, null while or where it cannot be had."""

    id: str
    status: ItemStatus
    result: str | None
    revised_prompt: str | UnsetType = UNSET
    output_format: Literal["png", "webp", "jpeg", "gif"] | UnsetType = UNSET
    url: str | UnsetType = UNSET


OutputItem = OutputMessage | Reasoning | ResponseFunctionCall | ImageGenerationCall


class ResponseError(Struct):
    """Why a response failed."""

    code: str | None
    message: str


class IncompleteDetails(Struct):
    """Why a response is incomplete."""

    reason: Literal["max_output_tokens", "content_filter"]


class InputTokens(Struct):
    """Part of `input_tokens`."""

    cached_tokens: int
    cache_write_tokens: int


class OutputTokens(Struct):
    """Part of `output_tokens`."""

    reasoning_tokens: int


class ResponseUsage(Struct):
    """Tokens, counted here: what the upstream really counted is never known."""

    input_tokens: int
    input_tokens_details: InputTokens
    output_tokens: int
    output_tokens_details: OutputTokens
    total_tokens: int
    estimated: Literal[True]


class ModelResponse(TurnNames, kw_only=True):
    """A response. From `background` on it repeats its request; there an object is as it was sent."""

    # Not `Response`: that is what generated clients call the answers of HTTP.

    id: str
    object: Literal["response"]
    created_at: int
    status: Literal["in_progress", "completed", "incomplete", "failed", "cancelled"]
    error: ResponseError | None
    incomplete_details: IncompleteDetails | None
    model: str
    output: list[OutputItem]
    usage: ResponseUsage | None
    background: Literal[False]
    instructions: str | None
    max_output_tokens: int | None
    max_tool_calls: int | None
    metadata: dict[str, str]
    parallel_tool_calls: bool
    previous_response_id: str | None
    reasoning: dict[str, Any]
    safety_identifier: str | None
    store: bool
    temperature: float | None
    text: dict[str, Any]
    tool_choice: str | dict[str, Any]
    tools: list[dict[str, Any]]
    top_p: float | None
    truncation: str
    user: str | None


class DeletedResponse(Struct):
    """A response that is forgotten."""

    id: str
    object: Literal["response"]
    deleted: Literal[True]


class ListedItem(Struct):
    """An item of an input, with all that was sent of it."""

    id: str
    type: str
    status: str | UnsetType = UNSET


class InputItemList(Struct):
    """A page of what a response was asked for."""

    object: Literal["list"]
    data: list[ListedItem]
    first_id: str | None
    last_id: str | None
    has_more: bool


# --- events ---------------------------------------------------------------------------


class _Event(Struct, kw_only=True, tag_field="type"):
    sequence_number: int


class _ItemEvent(_Event, kw_only=True, tag_field="type"):
    output_index: int
    item_id: str


class ResponseCreated(_Event, kw_only=True, tag="response.created"):
    """The stream begins."""

    response: ModelResponse


class ResponseInProgress(_Event, kw_only=True, tag="response.in_progress"):
    """A sign of life, the first one always."""

    response: ModelResponse


class ResponseCompleted(_Event, kw_only=True, tag="response.completed"):
    """The response is complete."""

    response: ModelResponse


class ResponseIncomplete(_Event, kw_only=True, tag="response.incomplete"):
    """The response ended before its end, or was cancelled."""

    response: ModelResponse


class ResponseFailed(_Event, kw_only=True, tag="response.failed"):
    """The response failed; what had arrived is in its output."""

    response: ModelResponse


class OutputItemAdded(_Event, kw_only=True, tag="response.output_item.added"):
    """An item begins."""

    output_index: int
    item: OutputItem


class OutputItemDone(_Event, kw_only=True, tag="response.output_item.done"):
    """An item is whole."""

    output_index: int
    item: OutputItem


class ContentPartAdded(_ItemEvent, kw_only=True, tag="response.content_part.added"):
    """The text of a message begins."""

    content_index: int
    part: OutputText


class ContentPartDone(_ItemEvent, kw_only=True, tag="response.content_part.done"):
    """The text of a message is whole."""

    content_index: int
    part: OutputText


class OutputTextDelta(_ItemEvent, kw_only=True, tag="response.output_text.delta"):
    """Text of a message; an empty one is a sign of life."""

    content_index: int
    delta: str
    logprobs: list[Any]


class OutputTextDone(_ItemEvent, kw_only=True, tag="response.output_text.done"):
    """The text of a message is whole."""

    content_index: int
    text: str
    logprobs: list[Any]


class AnnotationAdded(_ItemEvent, kw_only=True, tag="response.output_text.annotation.added"):
    """A citation of the text before it."""

    content_index: int
    annotation_index: int
    annotation: ResponseAnnotation


class SummaryPartAdded(_ItemEvent, kw_only=True, tag="response.reasoning_summary_part.added"):
    """What is thought begins."""

    summary_index: int
    part: SummaryText


class SummaryPartDone(_ItemEvent, kw_only=True, tag="response.reasoning_summary_part.done"):
    """What was thought is whole."""

    summary_index: int
    part: SummaryText
    status: Literal["incomplete"] | UnsetType = UNSET


class SummaryTextDelta(_ItemEvent, kw_only=True, tag="response.reasoning_summary_text.delta"):
    """Text of what is thought."""

    summary_index: int
    delta: str


class SummaryTextDone(_ItemEvent, kw_only=True, tag="response.reasoning_summary_text.done"):
    """What was thought is whole."""

    summary_index: int
    text: str


class ArgumentsDelta(_ItemEvent, kw_only=True, tag="response.function_call_arguments.delta"):
    """Part of the arguments of a call."""

    delta: str


class ArgumentsDone(_ItemEvent, kw_only=True, tag="response.function_call_arguments.done"):
    """The arguments of a call are whole."""

    name: str
    arguments: str


class PictureInProgress(_ItemEvent, kw_only=True, tag="response.image_generation_call.in_progress"):
    """A picture is asked for."""


class PictureGenerating(_ItemEvent, kw_only=True, tag="response.image_generation_call.generating"):
    """A picture is drawn."""


class PictureCompleted(_ItemEvent, kw_only=True, tag="response.image_generation_call.completed"):
    """A picture is there; `response.output_item.done` has it."""


ResponseEvent = (
    ResponseCreated
    | ResponseInProgress
    | ResponseCompleted
    | ResponseIncomplete
    | ResponseFailed
    | OutputItemAdded
    | OutputItemDone
    | ContentPartAdded
    | ContentPartDone
    | OutputTextDelta
    | OutputTextDone
    | AnnotationAdded
    | SummaryPartAdded
    | SummaryPartDone
    | SummaryTextDelta
    | SummaryTextDone
    | ArgumentsDelta
    | ArgumentsDone
    | PictureInProgress
    | PictureGenerating
    | PictureCompleted
)
