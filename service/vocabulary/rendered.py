"""The last border of the vocabulary: the pieces of an answer that a dialect encodes.

Rendering passes some kinds on unchanged; these are defined in `service/vocabulary/events.py`.

    Delta -> Rendered -> bytes for the caller
"""

from enum import StrEnum
from typing import final

from msgspec import Struct

from service.vocabulary.events import (
    AssetKind,
    CitationResolved,
    FunctionArguments,
    FunctionCallStarted,
    ReasoningText,
    Source,
    TextSpent,
    TurnEnded,
    TurnFacts,
)
from service.vocabulary.native import NativeRendered, PictureFacts


@final
class ContentText(Struct, frozen=True, gc=False):
    """Text of `content`, exactly as the caller gets it."""

    text: str


class ContentCited(Struct, frozen=True):
    """A citation rendered at this place of `content`; `text` may be empty."""

    slot: int
    text: str
    sources: tuple[Source, ...]


class AssetLinked(Struct, frozen=True):
    """A picture or file that the caller can fetch, for machines; its Markdown was sent before."""

    kind: AssetKind
    url: str
    name: str
    media_type: str
    revised_prompt: str | None = None
    facts: PictureFacts | None = None


class TokenCounts(Struct, frozen=True):
    """The tokens of one request and its answer; `reasoning_tokens` are part of the answer's.

    `cached_tokens` and `picture_tokens` are part of the prompt's. `is_estimated`: they were counted
    by the gateway.
    """

    prompt_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    cached_tokens: int = 0
    is_estimated: bool = True
    picture_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """The tokens of request and answer together."""
        return self.prompt_tokens + self.completion_tokens


class FunctionCall(Struct, frozen=True):
    """A complete call of one of the caller's functions; `arguments` is JSON text, or plain input."""

    id: str
    name: str
    arguments: str


class ReplyMeta(Struct, frozen=True):
    """The fields that are the same in every chunk of one reply. `created` in seconds.

    `is_temporary`: the upstream keeps no conversation, so its ids are not sent. `may_call`:
    functions are offered, so a call may come instead of text. `is_legacy_call`: a call is sent as
    `function_call`, the form before `tool_calls`.
    """

    id: str
    created: int
    model: str
    fingerprint: str
    is_temporary: bool = False
    may_call: bool = False
    is_legacy_call: bool = False


class PictureForm(StrEnum):
    """The form of a generated picture in the text."""

    MARKDOWN = "markdown"
    PLAIN = "plain"
    NONE = "none"


class BotFormat(Struct, frozen=True):
    """The parts of an answer that its text shows; chosen once per request."""

    shows_tools: bool
    shows_citations: bool
    shows_file_links: bool
    shows_notices: bool
    pictures: PictureForm
    shows_fences: bool = False  # around answers that are code, and documents


Rendered = (
    ContentText
    | ContentCited
    | CitationResolved
    | ReasoningText
    | AssetLinked
    | FunctionCallStarted
    | FunctionArguments
    | TextSpent
    | TurnFacts
    | TurnEnded
    | NativeRendered
)
