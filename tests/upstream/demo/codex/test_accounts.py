"""Names, logins, tokens and what is sealed for an account, without a socket."""

from typing import Any

import jwt
import pytest

from tests.upstream.demo.codex.conftest import Clock
from upstream.demo.codex.accounts import (
    CLIENT_ID,
    KEPT_LOGINS,
    Account,
    Accounts,
    Login,
    seal,
    unseal,
)
from upstream.demo.ground.jwts import AUTH_CLAIM
from upstream.demo.ground.refusals import Refusal

LIFE = 100.0


@pytest.fixture
def accounts(clock: Clock) -> Accounts:
    return Accounts(LIFE, clock)


def claims_of(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def code_of(refusal: pytest.ExceptionInfo[Refusal]) -> str:
    body = jwt.api_jws.json.loads(refusal.value.text or "")
    error = body.get("error")
    return error["code"] if isinstance(error, dict) else error or body["code"]


@pytest.mark.parametrize(
    ("name", "plan", "email"),
    [
        ("anna", "plus", "anna@example.org"),
        ("free-anna", "free", "free-anna@example.org"),
        ("anna.team@example.com", "team", "anna.team@example.com"),
        ("freedom", "plus", "freedom@example.org"),
    ],
)
def test_words_of_a_name_choose_the_plan(
    accounts: Accounts, name: str, plan: str, email: str
) -> None:
    claims = claims_of(accounts.exchange(name)["id_token"])
    assert (claims[AUTH_CLAIM]["chatgpt_plan_type"], claims["email"]) == (plan, email)


def test_an_access_token_says_whose_it_is(accounts: Accounts, clock: Clock) -> None:
    answer = accounts.exchange("pro-anna")
    claims = claims_of(answer["access_token"])
    assert claims["client_id"] == CLIENT_ID
    assert claims["exp"] == clock.now + LIFE
    assert claims[AUTH_CLAIM]["chatgpt_account_id"] == Account("pro-anna").id
    assert claims[AUTH_CLAIM]["chatgpt_plan_type"] == "pro"
    assert claims_of(answer["id_token"])["email"] == "pro-anna@example.org"
    caller = accounts.caller(answer["access_token"], "an account")
    assert (caller.plan, caller.account_id) == ("pro", "an account")


def test_each_exchange_ends_the_refresh_token(accounts: Accounts) -> None:
    first = accounts.exchange("anna")["refresh_token"]
    second = accounts.exchange(first)["refresh_token"]
    for used in ("anna", first):
        with pytest.raises(Refusal) as refusal:
            accounts.exchange(used)
        assert (refusal.value.status, code_of(refusal)) == (401, "refresh_token_reused")
    assert accounts.exchange(second)["refresh_token"] != second


def test_logins_of_one_account_rotate_apart(accounts: Accounts) -> None:
    tokens = [accounts.sign_in("anna")["refresh_token"] for _ in range(2)]
    for token in tokens:
        accounts.exchange(token)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("expired-anna", "refresh_token_expired"),
        ("reused-flat-anna", "refresh_token_reused"),
        ("invalidated-top-anna", "refresh_token_invalidated"),
        ("dead-1", "refresh_token_invalidated"),
    ],
)
def test_words_of_a_name_end_its_login(accounts: Accounts, name: str, code: str) -> None:
    with pytest.raises(Refusal) as refusal:
        accounts.exchange(name)
    assert (refusal.value.status, code_of(refusal)) == (401, code)


def test_a_steady_name_keeps_its_refresh_token(accounts: Accounts) -> None:
    for _ in range(2):
        assert "refresh_token" not in accounts.exchange("steady-anna")


def test_a_revoked_login_ends_with_its_access_tokens(accounts: Accounts) -> None:
    answer = accounts.exchange("anna")
    assert accounts.revoke(answer["refresh_token"])
    with pytest.raises(Refusal) as refusal:
        accounts.exchange(answer["refresh_token"])
    assert code_of(refusal) == "refresh_token_invalidated"
    with pytest.raises(Refusal) as refusal:
        accounts.caller(answer["access_token"], "")
    assert code_of(refusal) == "token_revoked"


def test_access_tokens_end_in_time_alone_or_together(accounts: Accounts, clock: Clock) -> None:
    first, second = (accounts.exchange(name)["access_token"] for name in ("a", "b"))
    accounts.end(accounts.caller(first, "").serial)
    with pytest.raises(Refusal) as refusal:
        accounts.caller(first, "")
    assert code_of(refusal) == "token_expired"
    accounts.caller(second, "")
    accounts.end_all("token_invalidated")
    with pytest.raises(Refusal) as refusal:
        accounts.caller(second, "")
    assert code_of(refusal) == "token_invalidated"
    third = accounts.exchange("c")["access_token"]
    accounts.caller(third, "")
    clock.now += LIFE
    with pytest.raises(Refusal) as refusal:
        accounts.caller(third, "")
    assert code_of(refusal) == "token_expired"


@pytest.mark.parametrize("token", ["", "opaque", jwt.encode({"exp": 9e9}, "k" * 32)])
def test_what_is_no_access_token_is_refused(accounts: Accounts, token: str) -> None:
    with pytest.raises(Refusal) as refusal:
        accounts.caller(token, "")
    assert code_of(refusal) == "token_invalidated"


def test_logins_are_bounded(accounts: Accounts) -> None:
    for number in range(KEPT_LOGINS + 1):
        accounts._logins[str(number)] = Login(Account("x"), f"{number}~x")
    assert len(accounts._logins) == KEPT_LOGINS
    assert not accounts.is_known("0~x")
    assert accounts.is_known("1~x")


def test_what_is_sealed_is_for_one_account() -> None:
    sealed = seal("one", "thought 思")
    assert sealed.startswith("gAAAA")
    assert unseal("one", sealed) == "thought 思"
    assert unseal("two", sealed) is None
    assert unseal("one", "gAAAA$$$") is None
    assert unseal("one", "foreign") is None
