"""What only Codex's back end has: deltas of answers made of typed items, and allowances (codex 3, 4).

    CodexEvent -> Delta -> Rendered

They pass rendering unchanged, with two exceptions: `PictureMade` is stored on the way and continues
as `AssetReady`, and `LimitsKnown` is for the gateway itself. An answer with these deltas states
each of its items; the website's answers are text, which each dialect cuts into items itself.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from operator import add, sub
from typing import Any, get_args

from msgspec import Struct, structs
from typing_extensions import TypeIs  # typing has it from 3.13 on


class MessagePhase(StrEnum):
    """The purpose of a message: commentary on the way, or the answer."""

    COMMENTARY = "commentary"
    FINAL = "final_answer"


class MessageStarted(Struct, frozen=True, gc=False):
    """A message begins; answer text and refusals up to `MessageEnded` belong to it.

    `phase` is empty where the model has none.
    """

    phase: str = ""


class MessageEnded(Struct, frozen=True, gc=False):
    """The message is complete; `phase` is repeated, since it may be known only now."""

    phase: str = ""


class TextAnnotated(Struct, frozen=True, gc=False):
    """A page is cited for a range of the current message, in code points of its text."""

    start: int
    end: int
    url: str
    title: str


class RefusalText(Struct, frozen=True, gc=False):
    """New text with which the model refuses."""

    text: str


class ReasoningStarted(Struct, frozen=True, gc=False):
    """Reasoning begins; all parts and texts up to `ReasoningEnded` belong to it."""


class ReasoningPart(Struct, frozen=True, gc=False):
    """A part of the reasoning begins: of its summary, or of its full text."""

    is_summary: bool = True


class ReasoningEnded(Struct, frozen=True, gc=False):
    """The reasoning is complete; `sealed` is its encrypted form, which only the back end can read."""

    sealed: str = ""


class FunctionCallEnded(Struct, frozen=True, gc=False):
    """The arguments of the call of this index are complete."""

    index: int


class ToolItemStarted(Struct, frozen=True):
    """The model uses one of the back end's own tools; `number` counts such uses from 0.

    `item` is the back end's object without its id; its `type` is, for example, `web_search_call`.
    """

    number: int
    item: dict[str, Any]


class ToolItemStep(Struct, frozen=True, gc=False):
    """The use of a tool has reached this state: `in_progress`, `searching` or `completed`."""

    number: int
    step: str


class ToolItemEnded(Struct, frozen=True):
    """The use of a tool is over; `item` is now complete."""

    number: int
    item: dict[str, Any]


class PictureStarted(Struct, frozen=True, gc=False):
    """A picture is being drawn; `number` counts an answer's pictures from 0."""

    number: int


class PictureStep(Struct, frozen=True, gc=False):
    """A picture has reached this state: `in_progress`, `generating` or `completed`."""

    number: int
    step: str


class PicturePreview(Struct, frozen=True, gc=False):
    """A preview of a picture, in base64; `index` counts the previews of one picture."""

    number: int
    index: int
    content: str


class PictureFacts(Struct, frozen=True):
    """The number of a picture within its answer, and its size, quality, … as far as known.

    `preview` is the number of a preview among those of the picture.
    """

    number: int
    details: dict[str, str] = {}
    preview: int = 0


class PictureMade(Struct, frozen=True):
    """A finished picture, in base64."""

    facts: PictureFacts
    content: str
    revised_prompt: str = ""


class PictureFailed(Struct, frozen=True, gc=False):
    """A picture failed."""

    number: int


class UsageKnown(Struct, frozen=True, gc=False):
    """The upstream's own token counts.

    Cached tokens and those of pictures are part of the prompt's, reasoning tokens part of the
    answer's.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    picture_tokens: int = 0

    def __add__(self, other: "UsageKnown") -> "UsageKnown":
        """Return the sum, for a turn of several requests."""
        return self._joined(other, add)

    def __sub__(self, other: "UsageKnown") -> "UsageKnown":
        """Return the usage that was added since the other."""
        return self._joined(other, sub)

    def shares(self, number: int) -> list["UsageKnown"]:
        """Return equal parts that add up to it; the first ones have what cannot be divided."""
        parts = [
            [count // number + (at < count % number) for count in structs.astuple(self)]
            for at in range(number)
        ]
        return [UsageKnown(*part) for part in parts]

    def _joined(self, other: "UsageKnown", join: Callable[[int, int], int]) -> "UsageKnown":
        return UsageKnown(*map(join, structs.astuple(self), structs.astuple(other)))


class LimitWindow(Struct, frozen=True, gc=False):
    """One window of an account's allowance; `resets_at` in seconds since 1970."""

    name: str
    used_percent: float
    window_minutes: int | None = None
    resets_at: float | None = None


class LimitsKnown(Struct, frozen=True):
    """How much of an account's allowance is used, as the upstream reports it; not for callers.

    `name` is empty for the general allowance, else names an additional one. `credits_balance` is
    the upstream's own text, `has_credits` None where it said nothing.
    """

    windows: tuple[LimitWindow, ...] = ()
    name: str = ""
    plan: str = ""
    has_credits: bool | None = None
    is_unlimited: bool | None = None
    credits_balance: str = ""


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
NativeDelta = NativeRendered | PictureMade | LimitsKnown  # stored on the way; noted for the account
_NATIVE = frozenset(get_args(NativeRendered))


def is_native(piece: object) -> TypeIs[NativeRendered]:
    """Tell whether this is a delta of the back end's own that rendering passes on unchanged."""
    return type(piece) in _NATIVE


class Scope(StrEnum):
    """What an allowance is for: words, or pictures, which have one of their own."""

    TEXT = "text"
    PICTURES = "pictures"


class Credits(Struct, frozen=True):
    """Credits that were bought; `balance` is the upstream's own text."""

    has_credits: bool
    is_unlimited: bool
    balance: str


class Allowance(Struct, frozen=True):
    """An account's plan and windows, and until when it rests, in seconds since 1970.

    Windows of an additional limit are named with it, such as `image_gen:primary`.
    """

    plan: str
    windows: tuple[LimitWindow, ...]
    credits: Credits | None
    rests_until: dict[Scope, float | None]


def fullest(windows: Sequence[LimitWindow]) -> float:
    """Return the percentage of the fullest window that is used; 0 where there is none."""
    return max((window.used_percent for window in windows), default=0.0)
