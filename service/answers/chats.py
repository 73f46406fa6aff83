"""Chat completions and completions as they are answered, whole and streamed (spec 6.3).

In all records of this room a field that is `UNSET` by default is left out when it is, one that
has another default always goes out, and one that may be null is always there.
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
    """What every answer of a turn begins with: OpenAI's `id` and `model`, and names of our own.

    Each of the latter is there where it is known.
    """

    id: str
    model: str
    upstream_model: str | UnsetType = UNSET
    conversation_id: str | UnsetType = UNSET
    message_id: str | UnsetType = UNSET
    x_images: list[Link] | UnsetType = UNSET
    x_files: list[Link] | UnsetType = UNSET


class CompletionTokens(Struct, frozen=True):
    """Part of `completion_tokens`."""

    reasoning_tokens: int


class PromptTokens(Struct, frozen=True):
    """Part of `prompt_tokens`."""

    cached_tokens: int


class Usage(Struct, frozen=True):
    """Tokens; `estimated` tells that they were counted here, and not by the upstream."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    completion_tokens_details: CompletionTokens
    prompt_tokens_details: PromptTokens | UnsetType = UNSET
    estimated: Literal[True] | UnsetType = True


class CitedUrl(Struct, frozen=True):
    """A source; the offsets are code points of the content."""

    url: str
    title: str
    start_index: int
    end_index: int


class Annotation(Struct, frozen=True, tag_field="type", tag="url_citation"):
    """A citation."""

    url_citation: CitedUrl


class CalledFunction(Struct, frozen=True):
    """A function to call; `arguments` is JSON text."""

    name: str
    arguments: str


class ToolCall(Struct, frozen=True, tag_field="type", tag="function"):
    """A call that the model wants."""

    id: str
    function: CalledFunction


class AnswerMessage(Struct, frozen=True, kw_only=True):
    """The answer."""

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
    """Part of a call; `name` comes once."""

    arguments: str
    name: str | UnsetType = UNSET


class ToolCallDelta(Struct, frozen=True):
    """Part of a call; `id` and `type` come once."""

    index: int
    function: FunctionDelta
    id: str | UnsetType = UNSET
    type: Literal["function"] | UnsetType = UNSET


class ChatDelta(Struct, frozen=True, kw_only=True):
    """What one chunk adds; an empty one is a sign of life."""

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
    """One event of a streamed chat completion; the last one may have no choice, but the usage."""

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
