"""The windows of an account, in all three forms."""

from service.stages.codex.limits import (
    MAX_LIMITS,
    limits_in_event,
    limits_in_headers,
    limits_in_usage,
)
from service.stages.codex.raw_events import Event
from service.vocabulary.native import LimitsKnown, LimitWindow
from tests.rows import each_row

NOW = 1_738_880_000.0
HEADERS = {
    "X-Codex-Primary-Used-Percent": "12.5",
    "x-codex-primary-window-minutes": "300",
    "x-codex-primary-reset-at": "1738890000",
    "x-codex-secondary-used-percent": "3",
    "x-codex-secondary-window-minutes": "10080",
    "x-codex-secondary-reset-after-seconds": "60",
    "x-codex-credits-has-credits": "True",
    "x-codex-credits-unlimited": "0",
    "x-codex-credits-balance": "9.5",
    "x-codex-plan-type": "plus",
    "x-codex-bengalfox-primary-used-percent": "100",
    "x-codex-bengalfox-limit-name": "Bengal",
}
GENERAL = LimitsKnown(
    (
        LimitWindow("primary", 12.5, 300, 1738890000.0),
        LimitWindow("secondary", 3.0, 10080, NOW + 60),
    ),
    plan="plus",
    has_credits=True,
    is_unlimited=False,
    credits_balance="9.5",
)


def test_headers_tell_all_limits_the_general_one_first():
    general, other = limits_in_headers(HEADERS, NOW)
    assert general == GENERAL
    assert other == LimitsKnown((LimitWindow("primary", 100.0),), "codex_bengalfox", plan="plus")


def test_an_event_tells_one_limit():
    event = Event(
        "codex.rate_limits",
        plan_type="plus",
        rate_limits={
            "primary": {"used_percent": 12.5, "window_minutes": 300, "reset_at": 1738890000},
            "secondary": None,
        },
        credits={"has_credits": True, "unlimited": False, "balance": 9.5},
    )
    assert limits_in_event(event) == LimitsKnown(
        (LimitWindow("primary", 12.5, 300, 1738890000.0),),
        plan="plus",
        has_credits=True,
        is_unlimited=False,
        credits_balance="9.5",
    )
    assert limits_in_event(Event("codex.rate_limits")) is None


def test_the_answer_of_usage_tells_all_limits():
    window = {
        "used_percent": 12.5,
        "limit_window_seconds": 18000,
        "reset_after_seconds": 10,
        "reset_at": 1738890000,
    }
    limit = {"primary_window": window}
    answer = {
        "plan_type": "plus",
        "rate_limit": {"allowed": True, "primary_window": window, "secondary_window": None},
        "credits": {"has_credits": False, "unlimited": False, "balance": "0"},
        "additional_rate_limits": [
            {"limit_name": "Pictures", "metered_feature": "image_gen", "rate_limit": limit},
            {"limit_name": "other", "rate_limit": limit},
            {"rate_limit": limit},
        ],
    }
    primary = LimitWindow("primary", 12.5, 300, 1738890000.0)
    assert limits_in_usage(answer, NOW) == [
        LimitsKnown(
            (primary,), plan="plus", has_credits=False, is_unlimited=False, credits_balance="0"
        ),
        LimitsKnown((primary,), "image_gen", plan="plus"),
        LimitsKnown((primary,), "other", plan="plus"),
    ]


def test_a_limit_has_one_name_in_all_forms():
    headers = {"x-image-gen-primary-used-percent": "1", "x-image-gen-limit-name": "Pictures"}
    entry = {"limit_name": "Pictures", "metered_feature": "image_gen", "rate_limit": {}}
    event = Event(
        rate_limits={"primary": {"used_percent": 1}},
        metered_limit_name="image_gen",
        limit_name="Pictures",
    )
    names = [
        limits_in_headers(headers, NOW)[0].name,
        limits_in_usage({"additional_rate_limits": [entry]}, NOW)[1].name,
        limits_in_event(event).name,
    ]
    assert names == ["image_gen"] * 3


@each_row("odd", ["", "many", "nan", "inf", None])
def test_what_is_no_number_is_no_window(odd):
    headers = {} if odd is None else {"x-codex-primary-used-percent": odd}
    assert all(not limits.windows for limits in limits_in_headers(headers, NOW))
    rate_limits = {"primary": {"used_percent": odd}, "secondary": "x"}
    assert limits_in_event(Event(rate_limits=rate_limits)) is None
    assert limits_in_usage({"rate_limit": {"primary_window": {"used_percent": odd}}}, NOW) == [
        LimitsKnown()
    ]


def test_families_are_bounded():
    headers = {f"x-l{number}-primary-used-percent": "1" for number in range(100)}
    assert len(limits_in_headers(headers, NOW)) == MAX_LIMITS
