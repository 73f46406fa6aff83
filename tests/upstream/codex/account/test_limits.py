"""What is remembered of an account's allowance."""

import pytest

from service.vocabulary.credentials import Caller
from service.vocabulary.native import LimitsKnown, LimitWindow
from tests.scripted_codex import token_of
from tests.upstream.codex.conftest import NOW
from upstream.codex.account.limits import MAX_LIMITS, MAX_REMEMBERED, AccountLimits
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


def test_the_fullest_windows_name_nobody(limits):
    limits.note(ONE, LimitsKnown((LimitWindow("primary", 10), LimitWindow("secondary", 70))))
    limits.note(OTHER, LimitsKnown((LimitWindow("primary", 30),)))
    limits.note(OTHER, LimitsKnown(name="empty"))
    assert sorted(limits.fullest()) == [30, 70]


def test_what_is_remembered_is_bounded(limits):
    for number in range(2 * MAX_LIMITS):
        limits.note(ONE, LimitsKnown((LimitWindow("primary", 1),), name=f"limit {number}"))
    assert len(limits.of(ONE).limits) == MAX_LIMITS
    for number in range(MAX_REMEMBERED):
        limits.note(Caller("opaque", None, str(number)), LimitsKnown(plan="plus"))
    assert limits.of(ONE) is None
