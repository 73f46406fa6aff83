"""Messages of Anthropic's dialect, whole and as events, and its errors (anthropic-wire 2 to 4).

Clients check every event against a closed list, so there are no records here beyond Anthropic's.
"""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

StopReason = Literal["end_turn", "tool_use", "max_tokens", "stop_sequence", "refusal"]
NO_INPUT = msgspec.Raw(b"{}")


class TextBlock(Struct, frozen=True, tag="text"):
    """Text of the answer, in Markdown."""

    text: str


class ThinkingBlock(Struct, frozen=True, tag="thinking"):
    """Reasoning; by its `signature` the gateway accepts it back."""

    thinking: str
    signature: str


class ToolUseBlock(Struct, frozen=True, tag="tool_use"):
    """A call of one of the caller's tools."""

    id: str
    name: str
    input: msgspec.Raw


class SearchBlock(Struct, frozen=True, tag="server_tool_use"):
    """A search that the model made by itself."""

    id: str
    input: msgspec.Raw
    name: Literal["web_search"] = "web_search"


class FoundPage(Struct, frozen=True, tag="web_search_result"):
    """A page found by a search."""

    url: str
    title: str
    encrypted_content: str = ""
    page_age: None = None


class FoundBlock(Struct, frozen=True, tag="web_search_tool_result"):
    """The results of a search."""

    tool_use_id: str
    content: list[FoundPage]


Block = TextBlock | ThinkingBlock | ToolUseBlock | SearchBlock | FoundBlock


class Searches(Struct, frozen=True):
    """The number of searches."""

    web_search_requests: int
    web_fetch_requests: int = 0


class MessageUsage(Struct, frozen=True, kw_only=True):
    """The tokens of a request and its answer; cached tokens are not part of `input_tokens`."""

    input_tokens: int
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    output_tokens: int
    server_tool_use: Searches | UnsetType = UNSET


class StopDetails(Struct, frozen=True, tag="refusal"):
    """The reason for a refusal."""

    explanation: str
    category: None = None


class Message(Struct, frozen=True, kw_only=True, tag="message"):
    """An answer; while it is being written it has neither blocks nor a stop reason."""

    id: str
    role: Literal["assistant"] = "assistant"
    model: str
    content: list[Block]
    stop_reason: StopReason | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | UnsetType = UNSET
    usage: MessageUsage


class CountedTokens(Struct, frozen=True):
    """The number of tokens in a request."""

    input_tokens: int


class ClaudeModel(Struct, frozen=True, tag="model"):
    """A model name that can be requested."""

    id: str
    display_name: str
    created_at: str


class ClaudeModelList(Struct, frozen=True):
    """A page of the model names that can be requested."""

    data: list[ClaudeModel]
    has_more: bool
    first_id: str | None
    last_id: str | None


# --- failures -------------------------------------------------------------------------


class MessageFault(Struct, frozen=True):
    """Why there is no answer. `partial` is the text that arrived before a failure."""

    type: str
    message: str
    partial: str | UnsetType = UNSET
    details: dict[str, Any] | UnsetType = UNSET


class MessageError(Struct, frozen=True, tag="error"):
    """The body of a failed request, and the last event of a stream that fails."""

    error: MessageFault
    request_id: str


# --- events -----------------------------------------------------------------------------


class TextDelta(Struct, frozen=True, tag="text_delta"):
    """A piece of text."""

    text: str


class ThinkingDelta(Struct, frozen=True, tag="thinking_delta"):
    """A piece of reasoning."""

    thinking: str


class SignatureDelta(Struct, frozen=True, tag="signature_delta"):
    """The signature of reasoning, sent before its end."""

    signature: str


class InputDelta(Struct, frozen=True, tag="input_json_delta"):
    """A piece of the JSON of a call's input."""

    partial_json: str


BlockDelta = TextDelta | ThinkingDelta | SignatureDelta | InputDelta


class MessageStart(Struct, frozen=True, tag="message_start"):
    """The message begins."""

    message: Message


class BlockStart(Struct, frozen=True, tag="content_block_start"):
    """A block begins; only one is open at a time."""

    index: int
    content_block: Block


class BlockGrows(Struct, frozen=True, tag="content_block_delta"):
    """The open block grows."""

    index: int
    delta: BlockDelta


class BlockStop(Struct, frozen=True, tag="content_block_stop"):
    """The open block is complete."""

    index: int


class Stopped(Struct, frozen=True):
    """The reason why the message ends."""

    stop_reason: StopReason
    stop_sequence: str | None = None
    stop_details: StopDetails | UnsetType = UNSET


class MessageGrows(Struct, frozen=True, tag="message_delta"):
    """The message's stop reason and usage."""

    delta: Stopped
    usage: MessageUsage


class MessageStop(Struct, frozen=True, tag="message_stop"):
    """The last event."""


class Ping(Struct, frozen=True, tag="ping"):
    """A keep-alive."""


BlockEvent = BlockStart | BlockGrows | BlockStop
MessageEvent = MessageStart | BlockEvent | MessageGrows | MessageStop | Ping
