"""What is remembered of an account's allowance."""

import asyncio

import pytest

from service.observing.metrics import Metrics
from service.vocabulary.credentials import Caller
from service.vocabulary.native import LimitsKnown, LimitWindow
from tests.scripted_codex import token_of
from tests.upstream.codex.conftest import NOW
from upstream.codex.account.limits import MAX_LIMITS, MAX_REMEMBERED, AccountLimits, show_allowances
from upstream.codex.account.names import AccountNames

ONE = Caller(token_of("acc-1", jti="one"), "acc-1", "one")
TWO = Caller(token_of("acc-1", jti="two"), "acc-1", "two")
OTHER = Caller(token_of("acc-2"), "acc-2", "other")


@pytest.fixture
def limits() -> AccountLimits:
    return AccountLimits(AccountNames(lambda _: True), lambda: NOW)


def test_the_head_of_an_answer_tells_for_all_credentials_of_an_account(limits):
    headers = {
        "X-Codex-Primary-Used-Percent": "12.5",
        "X-Codex-Primary-Window-Minutes": "300",
        "X-Codex-Primary-Reset-After-Seconds": "60",
        "X-Codex-Plan-Type": "plus",
    }
    limits.hear(ONE, headers)
    noted = limits.of(TWO)
    assert noted.told_at == NOW
    assert noted.limits[""].plan == "plus"
    assert noted.limits[""].windows == (LimitWindow("primary", 12.5, 300, NOW + 60),)
    assert limits.of(OTHER) is None


def test_what_is_not_told_again_stays(limits):
    primary, weekly = LimitWindow("primary", 10, 300), LimitWindow("secondary", 20, 10_080)
    limits.note(ONE, LimitsKnown((primary, weekly), plan="plus", has_credits=True))
    limits.note(ONE, LimitsKnown((LimitWindow("primary", 11, 300),), credits_balance="5"))
    limits.note(ONE, LimitsKnown((LimitWindow("primary", 99),), name="pictures"))
    known = limits.of(ONE).limits
    assert known[""] == LimitsKnown(
        (LimitWindow("primary", 11, 300), weekly),
        plan="plus",
        has_credits=True,
        credits_balance="5",
    )
    assert known["pictures"].windows == (LimitWindow("primary", 99),)


def test_all_windows_name_no_account_and_are_counted_once(limits):
    limits.note(ONE, LimitsKnown((LimitWindow("primary", 10), LimitWindow("secondary", 70))))
    limits.note(OTHER, LimitsKnown((LimitWindow("primary", 30),)))
    limits.note(OTHER, LimitsKnown(name="empty"))
    assert {*limits.windows()} == {
        (LimitWindow("primary", 10), LimitWindow("secondary", 70)),
        (LimitWindow("primary", 30),),
    }


def test_a_window_that_began_anew_is_empty(limits):
    over, open_ = (LimitWindow(name, 50.0, 300, NOW + at) for name, at in (("a", 0), ("b", 1)))
    limits.note(ONE, LimitsKnown((over, open_)))
    limits.note(ONE, LimitsKnown((over,), name="image_gen"))
    assert limits.windows() == [
        (LimitWindow("a", 0.0, 300), open_, LimitWindow("image_gen:a", 0.0, 300))
    ]


def test_all_that_were_asked_for_replace_what_was_known_before(limits):
    limits.note(ONE, LimitsKnown((LimitWindow("primary", 10),), plan="free"))
    limits.note(ONE, LimitsKnown((LimitWindow("primary", 10),), name="gone"))
    assert not limits.is_fresh(ONE)
    limits.take(ONE, [LimitsKnown((LimitWindow("primary", 11),), plan="plus")], NOW)
    assert limits.is_fresh(TWO)
    assert limits.of(ONE).limits == {
        "": LimitsKnown((LimitWindow("primary", 11),), plan="plus"),
    }


def test_what_was_told_since_they_were_asked_for_is_newer(limits):
    limits.note(ONE, LimitsKnown((LimitWindow("primary", 12),)))
    told = LimitsKnown((LimitWindow("primary", 11), LimitWindow("secondary", 5)), plan="plus")
    limits.take(ONE, [told, LimitsKnown((LimitWindow("primary", 1),), name="other")], NOW - 5)
    known = limits.of(ONE).limits
    assert known[""] == LimitsKnown(
        (LimitWindow("primary", 12), LimitWindow("secondary", 5)), plan="plus"
    )
    assert known["other"].windows == (LimitWindow("primary", 1),)


async def test_metrics_show_the_fullest_windows_without_a_name(limits):
    metrics = Metrics()
    limits.note(ONE, LimitsKnown((LimitWindow("primary", 10), LimitWindow("secondary", 70))))
    limits.note(OTHER, LimitsKnown((LimitWindow("primary", 30),)))
    limits.note(OTHER, LimitsKnown((LimitWindow("primary", 99),), name="image_gen"))
    showing = asyncio.create_task(show_allowances(limits, metrics))
    await asyncio.sleep(0)
    showing.cancel()
    sample = metrics.registry.get_sample_value
    assert {
        name: sample("gateway_account_window_used_percent", {"window": name})
        for name in ("primary", "secondary", "other")
    } == {"primary": 30, "secondary": 70, "other": 99}


def test_what_is_remembered_is_bounded(limits):
    for number in range(2 * MAX_LIMITS):
        limits.note(ONE, LimitsKnown((LimitWindow("primary", 1),), name=f"limit {number}"))
    assert len(limits.of(ONE).limits) == MAX_LIMITS
    for number in range(MAX_REMEMBERED):
        limits.note(Caller("opaque", None, str(number)), LimitsKnown(plan="plus"))
    assert limits.of(ONE) is None
