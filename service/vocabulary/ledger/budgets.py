"""Budgets of gateway keys: what is used in which window, and when a window begins anew (spec 17).

Theory of operation
-------------------

All windows are in UTC. Day, week (from Monday) and month are those of the calendar; five hours are
sliding. Uses are counted in *buckets*: one for each day, week and month, and one for each minute of
the sliding window, in which a minute counts until five hours after its end. Five hours are thus
never too short, and up to a minute too long.

Who is let in is decided in one step, the same in every place where counts are kept (memory,
SQLite, Redis): add the changes that are due, then, if requests ask to be let in, add up the buckets
of each window that has a limit, and count as many requests as all limits leave.
`BudgetStep` holds all that depends on the calendar, so that such a place only adds and compares.

*Clocks* of several machines differ, and may be set. A bucket that begins within `SLACK_SECONDS`
from now counts, or is kept for its time; one that begins later was written by a wrong clock and is
dropped. Ended buckets stay for as long, for a machine whose clock is behind.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from service.vocabulary.credentials import Budgets

SLACK_SECONDS = 600
MAX_ASKING = 1_000_000  # requests of one step
_MINUTE, _DAY, _WEEK = 60, 86_400, 7 * 86_400
_SLIDING_SECONDS = 5 * 3600
_FIRST_MONDAY = 4 * _DAY  # 1970-01-05
_LATEST = datetime(9998, 12, 1, tzinfo=UTC).timestamp()  # a clock set later counts as this


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

    `used` may be over `limit`, since an answer under way is finished. `renews_at` is when a used up
    budget lets the next request in, else when the next part of it is free again, in seconds since
    1970; None while nothing is used of a sliding window.
    """

    unit: Unit
    window: Window
    limit: int
    used: int
    renews_at: int | None

    @property
    def name(self) -> str:
        """The name of the setting, such as `requests_per_5_hours`."""
        return setting(self.unit, self.window)

    @property
    def is_used_up(self) -> bool:
        """Whether a further request is refused."""
        return self.used >= self.limit


class Counts(Struct, frozen=True, array_like=True):
    """The requests and tokens of one bucket."""

    requests: int = 0
    tokens: int = 0


# By window, then by the time at which the bucket begins, in seconds since 1970.
Spent = dict[Window, dict[int, Counts]]


class Taken(Struct, frozen=True, array_like=True):
    """The counts of a key after a step, and how many of the requests that asked were let in."""

    spent: Spent
    let_in: int


class Change(Struct, frozen=True):
    """What is to be added at a time, in seconds since 1970; negative if it is given back."""

    at: float
    requests: int = 0
    tokens: int = 0


class Span(Struct, frozen=True):
    """Times at which the buckets of a window begin: those that count, and the first one kept.

    All are inside, in seconds since 1970. Limits of 0 are none.
    """

    counted_from: int
    counted_to: int
    kept_from: int
    max_requests: int = 0
    max_tokens: int = 0


class BudgetStep(Struct, frozen=True):
    """One step, of which a store only adds and compares.

    `changes` are added first. Of the requests that are `asking`, as many as all spans leave are
    counted in the buckets of `current`. `kept_to` is when the last bucket that is kept begins.
    """

    spans: Mapping[Window, Span]
    current: Mapping[Window, int]
    kept_to: int
    changes: Sequence[tuple[Window, int, Counts]]
    asking: int


def setting(unit: Unit, window: Window) -> str:
    """Return the name of a budget's setting, such as `requests_per_5_hours`."""
    return f"{unit}_per_{window}"


def limit_of(budgets: Budgets, unit: Unit, window: Window) -> int:
    """Return one limit; 0 is none."""
    limit: int = getattr(budgets, setting(unit, window))
    return limit


def begin_of(window: Window, at: float) -> int:
    """Return the begin of a time's bucket, in seconds since 1970."""
    at = max(0.0, min(at, _LATEST))
    match window:
        case Window.FIVE_HOURS:
            return int(at) // _MINUTE * _MINUTE
        case Window.DAY:
            return int(at) // _DAY * _DAY
        case Window.WEEK:
            return (int(at) - _FIRST_MONDAY) // _WEEK * _WEEK + _FIRST_MONDAY
        case Window.MONTH:
            day = datetime.fromtimestamp(at, UTC)
            return int(datetime(day.year, day.month, 1, tzinfo=UTC).timestamp())


def renewal_of(window: Window, begin: int) -> int:
    """Return the time from which the uses of a bucket no longer count."""
    match window:
        case Window.FIVE_HOURS:
            return begin + _MINUTE + _SLIDING_SECONDS
        case Window.DAY:
            return begin + _DAY
        case Window.WEEK:
            return begin + _WEEK
        case Window.MONTH:
            late = datetime.fromtimestamp(max(0, begin), UTC) + timedelta(days=31)
            return begin_of(Window.MONTH, late.timestamp())


def budget_step(
    budgets: Budgets, now: float, changes: Sequence[Change] = (), asking: int = 0
) -> BudgetStep:
    """Return the work of a store at a time.

    Args:
        budgets: of the key.
        now: seconds since 1970.
        changes: to be added to the buckets of their times.
        asking: how many requests ask to be let in.
    """
    return BudgetStep(
        spans={window: _span(budgets, window, now) for window in Window},
        current={window: begin_of(window, now) for window in Window},
        kept_to=int(now) + SLACK_SECONDS,
        changes=[
            (window, begin_of(window, change.at), Counts(change.requests, change.tokens))
            for change in changes
            for window in Window
        ],
        asking=asking,
    )


def take(spent: Spent, step: BudgetStep) -> int:
    """Do a step on counts in memory; return how many of the requests that asked are let in."""
    for window, begin, counts in step.changes:
        _add(spent, window, begin, counts)
    for window, buckets in list(spent.items()):
        first = step.spans[window].kept_from
        spent[window] = {
            begin: counts for begin, counts in buckets.items() if first <= begin <= step.kept_to
        }
    left = [_left(_sum(spent, window, span), span) for window, span in step.spans.items()]
    let_in = min(step.asking, *left)
    if let_in:
        for window, begin in step.current.items():
            _add(spent, window, begin, Counts(let_in, 0))
    return let_in


def uses_of(budgets: Budgets, spent: Spent, now: float) -> tuple[BudgetUse, ...]:
    """Return the use of each budget that has a limit."""
    return tuple(
        _use(unit, window, limit, spent, now)
        for unit in Unit
        for window in Window
        if (limit := limit_of(budgets, unit, window))
    )


def _span(budgets: Budgets, window: Window, now: float) -> Span:
    limits = {
        "max_requests": limit_of(budgets, Unit.REQUESTS, window),
        "max_tokens": limit_of(budgets, Unit.TOKENS, window),
    }
    if window is Window.FIVE_HOURS:
        oldest = math.floor(now) - _MINUTE - _SLIDING_SECONDS + 1
        return Span(oldest, int(now) + SLACK_SECONDS, oldest - SLACK_SECONDS, **limits)
    begin = begin_of(window, now)
    return Span(begin, begin, begin_of(window, now - SLACK_SECONDS), **limits)


def _add(spent: Spent, window: Window, begin: int, more: Counts) -> None:
    buckets = spent.setdefault(window, {})
    old = buckets.get(begin, Counts())
    # Never below 0: what is given back may have been dropped meanwhile.
    buckets[begin] = Counts(max(0, old.requests + more.requests), max(0, old.tokens + more.tokens))


def _counted(spent: Spent, window: Window, span: Span) -> Iterator[tuple[int, Counts]]:
    """Yield the buckets that count, the oldest first."""
    for begin in sorted(spent.get(window, ())):
        if span.counted_from <= begin <= span.counted_to:
            yield begin, spent[window][begin]


def _sum(spent: Spent, window: Window, span: Span) -> Counts:
    counts = [counts for _, counts in _counted(spent, window, span)]
    return Counts(sum(one.requests for one in counts), sum(one.tokens for one in counts))


def _left(counts: Counts, span: Span) -> int:
    """Return the number of requests that a window still lets in."""
    if span.max_tokens and counts.tokens >= span.max_tokens:
        return 0
    return max(0, span.max_requests - counts.requests) if span.max_requests else MAX_ASKING


def _use(unit: Unit, window: Window, limit: int, spent: Spent, now: float) -> BudgetUse:
    span = _span(Budgets(), window, now)
    buckets = [
        (begin, counts.requests if unit is Unit.REQUESTS else counts.tokens)
        for begin, counts in _counted(spent, window, span)
    ]
    used = sum(number for _, number in buckets)
    if window is not Window.FIVE_HOURS:
        return BudgetUse(unit, window, limit, used, renewal_of(window, begin_of(window, now)))
    renews_at, left = None, used
    for begin, number in buckets:
        if not number:
            continue
        left -= number
        renews_at = renewal_of(window, begin)
        if left < limit:
            break
    return BudgetUse(unit, window, limit, used, renews_at)
