"""Chat completions and completions as they are answered, whole and streamed (spec 6.3).

In all records of this room a field with the default `UNSET` is left out while it is unset, a field
with another default is always sent, and a field that may be null is always there.
"""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]


class Link(Struct, frozen=True):
    """A stored picture or file; the URL opens without a key."""

    url: str
    name: str | UnsetType = UNSET
    revised_prompt: str | UnsetType = UNSET


class TurnNames(Struct, frozen=True, kw_only=True):
    """The first fields of every answer: OpenAI's `id` and `model`, and the gateway's own names.

    Each of the gateway's own is sent where it is known, and so is OpenAI's `service_tier`.
    """

    id: str
    model: str
    service_tier: str | UnsetType = UNSET
    upstream_model: str | UnsetType = UNSET
    conversation_id: str | UnsetType = UNSET
    message_id: str | UnsetType = UNSET
    x_images: list[Link] | UnsetType = UNSET
    x_files: list[Link] | UnsetType = UNSET


class CompletionTokens(Struct, frozen=True):
    """Details of `completion_tokens`."""

    reasoning_tokens: int


class PromptTokens(Struct, frozen=True):
    """Details of `prompt_tokens`."""

    cached_tokens: int


class Usage(Struct, frozen=True):
    """Token counts; `estimated` tells that the gateway counted them, not the upstream."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    completion_tokens_details: CompletionTokens
    prompt_tokens_details: PromptTokens | UnsetType = UNSET
    estimated: Literal[True] | UnsetType = True


class CitedUrl(Struct, frozen=True):
    """A cited page; the offsets are code points of the content."""

    url: str
    title: str
    start_index: int
    end_index: int


class Annotation(Struct, frozen=True, tag_field="type", tag="url_citation"):
    """A citation."""

    url_citation: CitedUrl


class CalledFunction(Struct, frozen=True):
    """The function to call; `arguments` is JSON text."""

    name: str
    arguments: str


class ToolCall(Struct, frozen=True, tag_field="type", tag="function"):
    """A call that the model asks for."""

    id: str
    function: CalledFunction


class AnswerMessage(Struct, frozen=True, kw_only=True):
    """The message of the answer."""

    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: str | None = None
    reasoning_content: str | UnsetType = UNSET
    annotations: list[Annotation]
    tool_calls: list[ToolCall] | UnsetType = UNSET
    function_call: CalledFunction | UnsetType = UNSET


class ChatChoice(Struct, frozen=True, kw_only=True):
    """The only choice."""

    index: Literal[0] = 0
    message: AnswerMessage
    logprobs: None = None
    finish_reason: FinishReason


class ChatCompletion(
    TurnNames, frozen=True, kw_only=True, tag_field="object", tag="chat.completion"
):
    """A whole chat completion."""

    created: int
    choices: list[ChatChoice]
    usage: Usage
    system_fingerprint: str


class FunctionDelta(Struct, frozen=True):
    """A piece of a call; `name` is sent once."""

    arguments: str
    name: str | UnsetType = UNSET


class ToolCallDelta(Struct, frozen=True):
    """A piece of a call; `id` and `type` are sent once."""

    index: int
    function: FunctionDelta
    id: str | UnsetType = UNSET
    type: Literal["function"] | UnsetType = UNSET


class ChatDelta(Struct, frozen=True, kw_only=True):
    """The addition of one chunk; an empty one is a keep-alive."""

    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType = UNSET
    refusal: str | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    annotations: list[Annotation] | UnsetType = UNSET
    tool_calls: list[ToolCallDelta] | UnsetType = UNSET
    function_call: FunctionDelta | UnsetType = UNSET


class ChatChunkChoice(Struct, frozen=True, kw_only=True):
    """What a chunk adds to the only choice."""

    index: Literal[0] = 0
    delta: ChatDelta
    finish_reason: FinishReason | None = None


class ChatCompletionChunk(
    TurnNames, frozen=True, kw_only=True, tag_field="object", tag="chat.completion.chunk"
):
    """One event of a streamed chat completion; a final usage event may have no choice."""

    created: int
    choices: list[ChatChunkChoice]
    usage: Usage | UnsetType = UNSET


class TextChoice(Struct, frozen=True, kw_only=True):
    """The only choice."""

    index: Literal[0] = 0
    text: str
    logprobs: None = None
    finish_reason: FinishReason | None = None


class Completion(TurnNames, frozen=True, kw_only=True, tag_field="object", tag="text_completion"):
    """A whole completion of a prompt."""

    created: int
    choices: list[TextChoice]
    usage: Usage
    system_fingerprint: str


class CompletionChunk(
    TurnNames, frozen=True, kw_only=True, tag_field="object", tag="text_completion"
):
    """One event of a streamed completion."""

    created: int
    choices: list[TextChoice]
    usage: Usage | UnsetType = UNSET
