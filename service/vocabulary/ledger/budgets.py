"""Budgets of gateway keys: what is used in which window, and when a window begins anew (spec 17).

All windows are in UTC. Five hours are sliding: uses are counted by the minute, and a minute counts
until five hours after its end. Day, week (from Monday) and month are those of the calendar.
"""

from enum import StrEnum

from msgspec import Struct


class Window(StrEnum):
    """The times that a budget may be for."""

    FIVE_HOURS = "5_hours"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Unit(StrEnum):
    """What a budget counts."""

    REQUESTS = "requests"
    TOKENS = "tokens"


class BudgetUse(Struct, frozen=True):
    """How much of one budget is used, for example 42 of 100 requests of a day.

    `used` may be over `limit`, since an answer under way is finished. `renews_at` is when a used
    budget lets the next request in, or when the window begins anew, in seconds since 1970; None
    while nothing is used of a sliding window.
    """

    unit: Unit
    window: Window
    limit: int
    used: int
    renews_at: int | None

    @property
    def name(self) -> str:
        """The name of the setting, such as `requests_per_5_hours`."""
        return f"{self.unit}_per_{self.window}"

    @property
    def is_used_up(self) -> bool:
        """Whether a further request is refused."""
        return self.used >= self.limit
