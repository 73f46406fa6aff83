"""The arithmetic of budgets, against an oracle that keeps every single use."""

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.vocabulary.credentials import Budgets
from service.vocabulary.ledger.budgets import (
    SLACK_SECONDS,
    BudgetUse,
    Change,
    Spent,
    Taken,
    Unit,
    Window,
    begin_of,
    budget_step,
    renewal_of,
    take,
    uses_of,
)
from tests.chance import examples

NOVEMBER = datetime(2026, 11, 30, 12, 0, tzinfo=UTC).timestamp()  # a Monday
HOUR = 3600.0


@pytest.mark.parametrize(("used", "is_used_up"), [(99, False), (100, True), (101, True)])
def test_a_budget_is_used_up_at_its_limit(used: int, is_used_up: bool) -> None:
    use = BudgetUse(Unit.REQUESTS, Window.FIVE_HOURS, 100, used, None)
    assert use.is_used_up is is_used_up
    assert use.name == "requests_per_5_hours"


@pytest.mark.parametrize(
    ("window", "moment", "begin", "renewal"),
    [
        (Window.DAY, "2026-11-30T23:59:59", "2026-11-30T00:00:00", "2026-12-01T00:00:00"),
        (Window.WEEK, "2026-12-06T23:59:59", "2026-11-30T00:00:00", "2026-12-07T00:00:00"),
        (Window.WEEK, "2026-11-30T00:00:00", "2026-11-30T00:00:00", "2026-12-07T00:00:00"),
        (Window.MONTH, "2026-11-30T23:59:59", "2026-11-01T00:00:00", "2026-12-01T00:00:00"),
        (Window.MONTH, "2028-02-29T12:00:00", "2028-02-01T00:00:00", "2028-03-01T00:00:00"),
        (Window.MONTH, "2026-12-31T12:00:00", "2026-12-01T00:00:00", "2027-01-01T00:00:00"),
        (Window.FIVE_HOURS, "2026-11-30T12:34:56", "2026-11-30T12:34:00", "2026-11-30T17:35:00"),
    ],
)
def test_a_window_begins_and_is_renewed(
    window: Window, moment: str, begin: str, renewal: str
) -> None:
    at, *expected = (
        datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
        for text in (moment, begin, renewal)
    )
    found = begin_of(window, at)
    assert [found, renewal_of(window, found)] == expected


def let_in(spent: Spent, budgets: Budgets, now: float) -> bool:
    return take(spent, budget_step(budgets, now, asking=1)) == 1


def test_five_hours_slide_and_a_day_does_not() -> None:
    spent: Spent = {}
    budgets = Budgets(requests_per_5_hours=2)
    assert [let_in(spent, budgets, NOVEMBER + at) for at in (0, HOUR, 2 * HOUR)] == [
        True,
        True,
        False,
    ]
    [use] = uses_of(budgets, spent, NOVEMBER + 2 * HOUR)
    assert use.renews_at == NOVEMBER + 5 * HOUR + 60
    assert not let_in(spent, budgets, NOVEMBER + 5 * HOUR + 59)
    assert let_in(spent, budgets, NOVEMBER + 5 * HOUR + 60)
    assert not let_in(spent, budgets, NOVEMBER + 5 * HOUR + 61)

    spent, budgets = {}, Budgets(requests_per_day=1)
    midnight = NOVEMBER + 12 * HOUR
    assert let_in(spent, budgets, midnight - 1)
    assert not let_in(spent, budgets, midnight - 1)
    assert let_in(spent, budgets, midnight)


def test_what_is_given_back_after_midnight_is_of_the_day_before() -> None:
    spent: Spent = {}
    budgets = Budgets(requests_per_day=2)
    midnight = NOVEMBER + 12 * HOUR
    assert let_in(spent, budgets, midnight - 1)
    assert let_in(spent, budgets, midnight + 1)
    take(spent, budget_step(budgets, midnight + 2, [Change(midnight - 1, requests=-1)]))
    [use] = uses_of(budgets, spent, midnight + 2)
    assert use.used == 1


def test_the_answer_that_goes_over_the_limit_is_the_last_one() -> None:
    spent: Spent = {}
    budgets = Budgets(tokens_per_month=100)
    assert let_in(spent, budgets, NOVEMBER)
    take(spent, budget_step(budgets, NOVEMBER, [Change(NOVEMBER, tokens=250)]))
    [use] = uses_of(budgets, spent, NOVEMBER)
    assert (use.used, use.is_used_up) == (250, True)
    assert not let_in(spent, budgets, NOVEMBER + HOUR)
    assert let_in(spent, budgets, NOVEMBER + 12 * HOUR)  # December


def test_a_clock_that_was_far_ahead_leaves_nothing() -> None:
    spent: Spent = {}
    budgets = Budgets(requests_per_5_hours=1, requests_per_day=1, requests_per_month=1)
    assert let_in(spent, budgets, NOVEMBER + 90 * 24 * HOUR)
    assert let_in(spent, budgets, NOVEMBER)
    assert all(begin <= NOVEMBER + SLACK_SECONDS for buckets in spent.values() for begin in buckets)


def test_a_machine_whose_clock_is_behind_does_not_undo_the_next_day() -> None:
    spent: Spent = {}
    budgets = Budgets(requests_per_day=1)
    midnight = NOVEMBER + 12 * HOUR
    assert let_in(spent, budgets, midnight + 1)
    assert let_in(spent, budgets, midnight - 1)  # still yesterday there
    assert not let_in(spent, budgets, midnight + 1)
    assert not let_in(spent, budgets, midnight - 1)


def test_of_several_that_ask_at_once_as_many_are_let_in_as_are_left() -> None:
    spent: Spent = {}
    budgets = Budgets(requests_per_day=7, requests_per_month=5, tokens_per_week=10)
    assert take(spent, budget_step(budgets, NOVEMBER, asking=3)) == 3
    assert take(spent, budget_step(budgets, NOVEMBER, asking=3)) == 2
    assert take(spent, budget_step(budgets, NOVEMBER, asking=3)) == 0
    spent = {}
    over = [Change(NOVEMBER, tokens=10)]
    assert take(spent, budget_step(budgets, NOVEMBER, over, asking=3)) == 0


class Oracle:
    """Keeps every use with its time, and knows the calendar by `datetime` alone."""

    def __init__(self) -> None:
        self.uses: list[tuple[float, int, int]] = []

    def used(self, window: Window, now: float) -> tuple[int, int]:
        inside = [use for use in self.uses if self._is_inside(window, use[0], now)]
        return sum(use[1] for use in inside), sum(use[2] for use in inside)

    def _is_inside(self, window: Window, at: float, now: float) -> bool:
        if window is Window.FIVE_HOURS:
            end_of_minute = datetime.fromtimestamp(at, UTC).replace(second=0, microsecond=0)
            return now < (end_of_minute + timedelta(minutes=1, hours=5)).timestamp()
        then, today = (datetime.fromtimestamp(time, UTC) for time in (at, now))
        match window:
            case Window.DAY:
                return then.date() == today.date()
            case Window.WEEK:
                return then.isocalendar()[:2] == today.isocalendar()[:2]
            case Window.MONTH:
                return (then.year, then.month) == (today.year, today.month)


LIMITS = st.builds(
    Budgets,
    **{
        f"{unit}_per_{window}": st.sampled_from([0, 0, 1, 3, 10])
        for unit in Unit
        for window in Window
    },
)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.5, 30.0, 61.0, 4 * HOUR, 5 * HOUR + 59, 23 * HOUR, 9 * 24 * HOUR]),
        st.sampled_from(["ask", "ask", "ask", "spend", "give back"]),
        st.integers(0, 4),
    ),
    max_size=40,
)


@examples(100)
@given(budgets=LIMITS, events=EVENTS, begin=st.integers(0, 400 * 86_400))
def test_a_request_is_let_in_exactly_while_no_window_is_used_up(
    budgets: Budgets, events: list[tuple[float, str, int]], begin: int
) -> None:
    spent, oracle, now = Spent(), Oracle(), NOVEMBER + begin
    asked: list[float] = []
    for pause, kind, tokens in events:
        now += pause
        if kind == "spend":
            take(spent, budget_step(budgets, now, [Change(now, tokens=tokens)]))
            oracle.uses.append((now, 0, tokens))
        elif kind == "give back" and asked and now - asked[-1] < SLACK_SECONDS:
            at = asked.pop()
            take(spent, budget_step(budgets, now, [Change(at, requests=-1)]))
            oracle.uses.remove((at, 1, 0))
        elif kind == "ask":
            is_free = all(
                not (limit := getattr(budgets, f"{unit}_per_{window}"))
                or oracle.used(window, now)[index] < limit
                for window in Window
                for index, unit in enumerate(Unit)
            )
            assert let_in(spent, budgets, now) is is_free
            if is_free:
                oracle.uses.append((now, 1, 0))
                asked.append(now)
        for use in uses_of(budgets, spent, now):
            assert use.used == oracle.used(use.window, now)[list(Unit).index(use.unit)]
            if use.is_used_up:
                _check_renewal(use, oracle, now)


def _check_renewal(use: BudgetUse, oracle: Oracle, now: float) -> None:
    index = list(Unit).index(use.unit)
    assert use.renews_at is not None
    assert use.renews_at > now
    assert oracle.used(use.window, use.renews_at - 1)[index] >= use.limit
    assert oracle.used(use.window, use.renews_at)[index] < use.limit


@examples(100)
@given(events=EVENTS)
def test_counts_stay_few_and_survive_being_written(events: list[tuple[float, str, int]]) -> None:
    spent, now = Spent(), NOVEMBER
    for pause, _, tokens in events:
        now += pause
        take(spent, budget_step(Budgets(), now, [Change(now, tokens=tokens)], asking=1))
    assert all(len(buckets) <= 2 for window, buckets in spent.items() if window != "5_hours")
    assert len(spent.get(Window.FIVE_HOURS, ())) <= 5 * 60 + 1 + SLACK_SECONDS // 60 + 1
    written = msgspec.json.encode(Taken(spent, 7))
    assert msgspec.json.decode(written, type=Taken).spent == spent
    assert json.loads(written)[1] == 7
