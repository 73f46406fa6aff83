"""The last border of the vocabulary: the pieces of an answer that a dialect encodes.

Rendering passes some kinds on unchanged; these are defined in `service/vocabulary/events.py`.

    Delta -> Rendered -> bytes for the caller
"""

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
