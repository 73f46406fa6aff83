"""How much of an account's allowance at its upstream is used, as handlers show it (spec 14.4)."""

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from service.vocabulary.native import LimitWindow


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
    """Return how full, in percent, the fullest window is; 0 where there is none."""
    return max((window.used_percent for window in windows), default=0.0)
