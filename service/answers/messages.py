"""Messages of Anthropic's dialect, whole and as events, and its errors (anthropic-wire 2 to 4).

Readers of it check every event against a closed list, so there is nothing here that is not theirs.
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
    """What was thought; `signature` is what this gateway takes it back by."""

    thinking: str
    signature: str


class ToolUseBlock(Struct, frozen=True, tag="tool_use"):
    """A call of a tool of the caller's."""

    id: str
    name: str
    input: msgspec.Raw


class SearchBlock(Struct, frozen=True, tag="server_tool_use"):
    """A search that the model made by itself."""

    id: str
    input: msgspec.Raw
    name: Literal["web_search"] = "web_search"


class FoundPage(Struct, frozen=True, tag="web_search_result"):
    """A page that a search found."""

    url: str
    title: str
    encrypted_content: str = ""
    page_age: None = None


class FoundBlock(Struct, frozen=True, tag="web_search_tool_result"):
    """What a search found."""

    tool_use_id: str
    content: list[FoundPage]


Block = TextBlock | ThinkingBlock | ToolUseBlock | SearchBlock | FoundBlock


class Searches(Struct, frozen=True):
    """How often the model searched."""

    web_search_requests: int
    web_fetch_requests: int = 0


class MessageUsage(Struct, frozen=True, kw_only=True):
    """The tokens of a request and its answer; those of the cache are no part of `input_tokens`."""

    input_tokens: int
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    output_tokens: int
    server_tool_use: Searches | UnsetType = UNSET


class StopDetails(Struct, frozen=True, tag="refusal"):
    """Why an answer was refused."""

    explanation: str
    category: None = None


class Message(Struct, frozen=True, kw_only=True, tag="message"):
    """An answer; without blocks and reason as long as it is written."""

    id: str
    role: Literal["assistant"] = "assistant"
    model: str
    content: list[Block]
    stop_reason: StopReason | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | UnsetType = UNSET
    usage: MessageUsage


class CountedTokens(Struct, frozen=True):
    """How many tokens a request has."""

    input_tokens: int


class ClaudeModel(Struct, frozen=True, tag="model"):
    """A name that can be asked for."""

    id: str
    display_name: str
    created_at: str


class ClaudeModelList(Struct, frozen=True):
    """A page of the names that can be asked for."""

    data: list[ClaudeModel]
    has_more: bool
    first_id: str | None
    last_id: str | None


# --- failures -------------------------------------------------------------------------


class MessageFault(Struct, frozen=True):
    """Why there is no answer. `partial` is the text that had arrived of one that broke off."""

    type: str
    message: str
    partial: str | UnsetType = UNSET
    details: dict[str, Any] | UnsetType = UNSET


class MessageError(Struct, frozen=True, tag="error"):
    """What a failed request is answered with, and the end of a stream that failed later."""

    error: MessageFault
    request_id: str


# --- events -----------------------------------------------------------------------------


class TextDelta(Struct, frozen=True, tag="text_delta"):
    """More text."""

    text: str


class ThinkingDelta(Struct, frozen=True, tag="thinking_delta"):
    """More of what was thought."""

    thinking: str


class SignatureDelta(Struct, frozen=True, tag="signature_delta"):
    """The signature of what was thought, before its end."""

    signature: str


class InputDelta(Struct, frozen=True, tag="input_json_delta"):
    """More JSON text of what a tool is called with."""

    partial_json: str


BlockDelta = TextDelta | ThinkingDelta | SignatureDelta | InputDelta


class MessageStart(Struct, frozen=True, tag="message_start"):
    """The message as it begins."""

    message: Message


class BlockStart(Struct, frozen=True, tag="content_block_start"):
    """A block begins; one is open at a time."""

    index: int
    content_block: Block


class BlockGrows(Struct, frozen=True, tag="content_block_delta"):
    """The open block grows."""

    index: int
    delta: BlockDelta


class BlockStop(Struct, frozen=True, tag="content_block_stop"):
    """The open block is whole."""

    index: int


class Stopped(Struct, frozen=True):
    """Why the message ends."""

    stop_reason: StopReason
    stop_sequence: str | None = None
    stop_details: StopDetails | UnsetType = UNSET


class MessageGrows(Struct, frozen=True, tag="message_delta"):
    """The message is whole."""

    delta: Stopped
    usage: MessageUsage


class MessageStop(Struct, frozen=True, tag="message_stop"):
    """Nothing follows."""


class Ping(Struct, frozen=True, tag="ping"):
    """A sign of life."""


BlockEvent = BlockStart | BlockGrows | BlockStop
MessageEvent = MessageStart | BlockEvent | MessageGrows | MessageStop | Ping
