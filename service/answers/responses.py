"""The response object of `/v1/responses`, its output items and its listed input (openai-wire 8).

The object has every field that the published Open Responses schema requires.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from service.answers.chats import TurnNames

ItemStatus = Literal["in_progress", "completed", "incomplete"]
ResponseStatus = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]
PictureFormat = Literal["png", "webp", "jpeg", "gif"]


class ResponseAnnotation(Struct, frozen=True, tag_field="type", tag="url_citation"):
    """A citation; the offsets are code points of the item's text."""

    url: str
    title: str
    start_index: int
    end_index: int


class OutputText(Struct, frozen=True, tag_field="type", tag="output_text"):
    """The text of an output message."""

    text: str
    annotations: list[ResponseAnnotation] = []
    logprobs: list[Any] = []


class OutputRefusal(Struct, frozen=True, tag_field="type", tag="refusal"):
    """The words with which the model refuses."""

    refusal: str


class OutputMessage(Struct, frozen=True, tag_field="type", tag="message"):
    """A message of the model; `phase` tells commentary from the answer, where there are both."""

    id: str
    status: ItemStatus
    content: list[OutputText | OutputRefusal]
    role: Literal["assistant"] = "assistant"
    phase: str | UnsetType = UNSET


class SummaryText(Struct, frozen=True, tag_field="type", tag="summary_text"):
    """A part of a reasoning summary."""

    text: str


class ReasoningWords(Struct, frozen=True, tag_field="type", tag="reasoning_text"):
    """A part of the full reasoning text."""

    text: str


class Reasoning(Struct, frozen=True, tag_field="type", tag="reasoning"):
    """Reasoning; `encrypted_content` is for callers who include it, and is theirs to keep."""

    id: str
    status: ItemStatus
    summary: list[SummaryText]
    content: list[ReasoningWords] | UnsetType = UNSET
    encrypted_content: str | UnsetType = UNSET


class ResponseFunctionCall(Struct, frozen=True, tag_field="type", tag="function_call"):
    """A call that the model asks for; `arguments` is JSON text, `namespace` the function's."""

    id: str
    status: ItemStatus
    call_id: str
    name: str
    arguments: str
    namespace: str | UnsetType = UNSET


class CustomToolCall(Struct, frozen=True, tag_field="type", tag="custom_tool_call"):
    """A call of a custom tool; `input` is text in the tool's own grammar."""

    id: str
    status: ItemStatus
    call_id: str
    name: str
    input: str
    namespace: str | UnsetType = UNSET


class ToolSearchCall(Struct, frozen=True, tag_field="type", tag="tool_search_call"):
    """A search for tools that the caller is to run; `arguments` are those of its own schema."""

    id: str
    status: ItemStatus
    call_id: str
    arguments: dict[str, Any]
    execution: Literal["client"] = "client"


class ImageGenerationCall(Struct, frozen=True, tag_field="type", tag="image_generation_call"):
    """A picture; `result` is its content in base64, null while or where there is none."""

    id: str
    status: ItemStatus | Literal["generating", "failed"]
    result: str | None
    revised_prompt: str | UnsetType = UNSET
    output_format: PictureFormat | UnsetType = UNSET
    url: str | UnsetType = UNSET
    size: str | UnsetType = UNSET
    quality: str | UnsetType = UNSET
    background: str | UnsetType = UNSET


class WebSearchCall(Struct, frozen=True, tag_field="type", tag="web_search_call"):
    """A search that the model made by itself; `action` says for what, as far as known."""

    id: str
    status: str
    action: dict[str, Any]


OutputItem = (
    OutputMessage
    | Reasoning
    | ResponseFunctionCall
    | CustomToolCall
    | ToolSearchCall
    | ImageGenerationCall
    | WebSearchCall
)


class NamedConversation(Struct, frozen=True):
    """The conversation that a response is part of."""

    id: str


class ResponseError(Struct, frozen=True):
    """Why a response failed."""

    code: str
    message: str


class IncompleteDetails(Struct, frozen=True):
    """Why a response is incomplete."""

    reason: Literal["max_output_tokens", "content_filter"]


class InputTokens(Struct, frozen=True):
    """Details of `input_tokens`."""

    cached_tokens: int = 0
    cache_write_tokens: int = 0


class OutputTokens(Struct, frozen=True):
    """Details of `output_tokens`."""

    reasoning_tokens: int


class ResponseUsage(Struct, frozen=True, kw_only=True):
    """Token counts; `estimated` tells that the gateway counted them, not the upstream."""

    input_tokens: int
    input_tokens_details: InputTokens = InputTokens()
    output_tokens: int
    output_tokens_details: OutputTokens
    total_tokens: int
    estimated: Literal[True] | UnsetType = True


# Not `Response`, a name that generated clients use for HTTP answers.
class ModelResponse(TurnNames, frozen=True, kw_only=True, tag_field="object", tag="response"):
    """A response. The fields from `background` on repeat the request, else have OpenAI's defaults."""

    created_at: int
    completed_at: int | None = None
    status: ResponseStatus = "in_progress"
    error: ResponseError | None = None
    incomplete_details: IncompleteDetails | None = None
    output: list[OutputItem] = field(default_factory=list)
    usage: ResponseUsage | None = None
    background: bool = False
    conversation: NamedConversation | None = None
    frequency_penalty: float = 0.0
    instructions: str | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    parallel_tool_calls: bool = True
    presence_penalty: float = 0.0
    previous_response_id: str | None = None
    prompt_cache_key: str | None = None
    reasoning: dict[str, Any]
    safety_identifier: str | None = None
    service_tier: str = "default"
    store: bool = True
    temperature: float = 1.0
    text: dict[str, Any]
    tool_choice: str | dict[str, Any] = "auto"
    tools: list[dict[str, Any]] = field(default_factory=list)
    top_logprobs: int = 0
    top_p: float = 1.0
    truncation: str = "disabled"
    user: str | None = None


class InputTokenCount(Struct, frozen=True, tag_field="object", tag="response.input_tokens"):
    """How many tokens an input has, as the gateway counts them."""

    input_tokens: int


# An item of a listed input: the fields that its caller sent, and those that a caller may leave out.
ListedItem = Annotated[
    dict[str, Any],
    Meta(
        extra_json_schema={
            "properties": {
                "id": {"type": "string"},
                "type": {"type": "string"},
                "status": {"type": "string"},
            },
            "required": ["id", "type"],
        }
    ),
]


class CompactedResponse(Struct, frozen=True, tag_field="object", tag="response.compaction"):
    """Items that stand for a conversation, to be sent in place of it.

    The last one is of type `compaction`; its `encrypted_content` is for the gateway or its upstream
    alone.
    """

    id: str
    created_at: int
    output: list[ListedItem]
    usage: ResponseUsage


class DeletedResponse(Struct, frozen=True, tag_field="object", tag="response"):
    """The confirmation that a response was deleted."""

    id: str
    deleted: Literal[True] = True


class InputItemList(Struct, frozen=True, tag_field="object", tag="list"):
    """A page of a response's input items."""

    data: list[ListedItem]
    first_id: str | None
    last_id: str | None
    has_more: bool
