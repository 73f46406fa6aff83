"""What an answer of typed items says beyond text: the kinds that only Codex's back end knows (codex 3).

    CodexEvent -> Delta -> Rendered

They are deltas and pass rendering as they are, but for two: `PictureMade` is stored on the way
and goes on as `AssetReady`, and `LimitsKnown` is for the gateway itself. An answer that has them
names its items in full; one without them, the website's, is text that a dialect cuts by itself.
"""

from enum import StrEnum
from typing import Any

from msgspec import Struct


class Phase(StrEnum):
    """What a message is for: words on the way, or the answer."""

    COMMENTARY = "commentary"
    FINAL = "final_answer"


class MessageStarted(Struct, frozen=True, gc=False):
    """A message begins; answer text and refusals up to `MessageEnded` belong to it.

    `phase` is empty where the model has none.
    """

    phase: str = ""


class MessageEnded(Struct, frozen=True, gc=False):
    """The message is whole; its `phase` is said again, for one that was told of it last."""

    phase: str = ""


class TextAnnotated(Struct, frozen=True, gc=False):
    """A page is cited by a range of the message under way, in code points of its text."""

    start: int
    end: int
    url: str
    title: str


class RefusalText(Struct, frozen=True, gc=False):
    """Words with which the model refuses, which nobody has seen yet."""

    text: str


class ReasoningStarted(Struct, frozen=True, gc=False):
    """A piece of reasoning begins; parts and texts up to `ReasoningEnded` belong to it."""


class ReasoningPart(Struct, frozen=True, gc=False):
    """A part of the reasoning begins: of its summary, or of its very words."""

    is_summary: bool = True


class ReasoningEnded(Struct, frozen=True, gc=False):
    """The reasoning is whole; `sealed` is what the back end alone can read, and takes back."""

    sealed: str = ""


class FunctionCallEnded(Struct, frozen=True, gc=False):
    """The arguments of the call of this index are whole."""

    index: int


class ToolItemStarted(Struct, frozen=True):
    """The model uses a tool of the back end's; `number` counts such uses from 0.

    `item` is the back end's own object without its id, its `type` such as `web_search_call`.
    """

    number: int
    item: dict[str, Any]


class ToolItemStep(Struct, frozen=True, gc=False):
    """The use of a tool has come so far: `in_progress`, `searching`, `completed`."""

    number: int
    step: str


class ToolItemEnded(Struct, frozen=True):
    """The use of a tool is over; `item` as above, whole now."""

    number: int
    item: dict[str, Any]


class PictureStarted(Struct, frozen=True, gc=False):
    """A picture is being drawn; `number` counts an answer's pictures from 0."""

    number: int


class PictureStep(Struct, frozen=True, gc=False):
    """A picture has come so far: `in_progress`, `generating`, `completed`."""

    number: int
    step: str


class PicturePreview(Struct, frozen=True, gc=False):
    """A picture as far as it is drawn, in base64; `index` counts the previews of one picture."""

    number: int
    index: int
    content: str


class PictureFacts(Struct, frozen=True):
    """Which picture of an answer it is, and its size, quality, … as far as told."""

    number: int
    details: dict[str, str] = {}


class PictureMade(Struct, frozen=True):
    """A picture that is ready, in base64."""

    facts: PictureFacts
    content: str
    revised_prompt: str = ""


class PictureFailed(Struct, frozen=True, gc=False):
    """No picture came of it."""

    number: int


class UsageKnown(Struct, frozen=True, gc=False):
    """The tokens that the upstream itself has counted.

    Those from its cache are part of the prompt's, those of reasoning part of the answer's.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0


class LimitWindow(Struct, frozen=True, gc=False):
    """One window of an account's allowance; `resets_at` in seconds since 1970."""

    name: str
    used_percent: float
    window_minutes: int | None = None
    resets_at: float | None = None


class LimitsKnown(Struct, frozen=True):
    """How much of an account's allowance is used, as far as was told; it is never passed on.

    `name` is empty for the general allowance, else that of a further one. `credits_balance` is the
    upstream's own text, `has_credits` None where nothing was said.
    """

    windows: tuple[LimitWindow, ...] = ()
    name: str = ""
    plan: str = ""
    has_credits: bool | None = None
    is_unlimited: bool | None = None
    credits_balance: str = ""


NativeDelta = (
    MessageStarted
    | MessageEnded
    | TextAnnotated
    | RefusalText
    | ReasoningStarted
    | ReasoningPart
    | ReasoningEnded
    | FunctionCallEnded
    | ToolItemStarted
    | ToolItemStep
    | ToolItemEnded
    | PictureStarted
    | PictureStep
    | PicturePreview
    | PictureMade
    | PictureFailed
    | UsageKnown
    | LimitsKnown
)
NativeRendered = (
    MessageStarted
    | MessageEnded
    | TextAnnotated
    | RefusalText
    | ReasoningStarted
    | ReasoningPart
    | ReasoningEnded
    | FunctionCallEnded
    | ToolItemStarted
    | ToolItemStep
    | ToolItemEnded
    | PictureStarted
    | PictureStep
    | PicturePreview
    | PictureFailed
    | UsageKnown
)
