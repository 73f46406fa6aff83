"""Which cookies are kept, and for whom."""

import pytest

from upstream.codex.connection.cookies import MAX_ACCOUNTS, MAX_COOKIES, AccountCookies

NETWORK = "__cf_bm=one; path=/; Max-Age=100; HttpOnly; Secure"


@pytest.fixture
def now() -> list[float]:
    return [0.0]


@pytest.fixture
def cookies(now: list[float]) -> AccountCookies:
    return AccountCookies(lambda: now[0])


def test_what_one_account_was_given_is_sent_for_it_alone(cookies):
    cookies.take("a", [NETWORK, "_cfuvid=two"])
    cookies.take("b", ["__cflb=three"])
    assert cookies.header("a") == "__cf_bm=one; _cfuvid=two"
    assert cookies.header("b") == "__cflb=three"
    assert cookies.header("c") == ""


def test_only_cookies_of_the_network_are_kept(cookies):
    cookies.take(
        "a", ["session=secret", "oai-did=x", "\x00", "cf_clearance=y", f"__cf_x={'z' * 5000}"]
    )
    assert cookies.header("a") == "cf_clearance=y"


def test_a_cookie_ends_in_time_and_a_newer_one_takes_its_place(cookies, now):
    cookies.take("a", [NETWORK])
    cookies.take("a", ["__cf_bm=two; Max-Age=50"])
    assert cookies.header("a") == "__cf_bm=two"
    now[0] = 50
    assert cookies.header("a") == ""
    cookies.take("a", ["__cf_bm=three; Max-Age=soon"])
    now[0] = 1e9
    assert cookies.header("a") == "__cf_bm=three"


def test_what_is_kept_is_bounded(cookies):
    cookies.take("a", [f"__cf_{number}=x" for number in range(2 * MAX_COOKIES)])
    assert cookies.header("a").count("=") == MAX_COOKIES
    for number in range(MAX_ACCOUNTS):
        cookies.take(f"account {number}", [NETWORK])
    assert cookies.header("a") == ""
    assert cookies.header("account 1") == "__cf_bm=one"
