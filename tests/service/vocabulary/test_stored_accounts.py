"""Accounts that signed in."""

import pytest
from msgspec import structs

from service.vocabulary.credentials import Credential, TokenKind, UpstreamChoice, UpstreamKind
from service.vocabulary.stored_accounts import Issuer, StoredAccount

ACCOUNT = StoredAccount(
    name="mine",
    email="anna@example.org",
    plan="plus",
    account_id="account-1",
    user_id="user-1",
    issuer=Issuer.DEMO,
    refresh_token="rt-of-the-login",
    created_at=1,
)


def test_another_login_is_the_same_account_and_another_person_s_is_not() -> None:
    again = structs.replace(ACCOUNT, name="other", refresh_token="rt-2", plan="pro", created_at=9)
    assert again.id == ACCOUNT.id
    assert again.token_key != ACCOUNT.token_key
    for changed in (
        {"user_id": "user-2"},  # a colleague in the same workspace
        {"account_id": "account-2"},
        {"issuer": Issuer.OPENAI},
        {"user_id": "", "email": "bo@example.org"},
    ):
        assert structs.replace(ACCOUNT, **changed).id != ACCOUNT.id


@pytest.mark.parametrize(
    ("email", "shown"),
    [
        ("anna@example.org", "a***@example.org"),
        ("a@b@c.org", "a***@c.org"),
        ("@example.org", "***@example.org"),
        ("no-address", "n***"),
        ("", "***"),
    ],
)
def test_of_an_address_the_mask_is_shown(email: str, shown: str) -> None:
    assert structs.replace(ACCOUNT, email=email).masked_email == shown


def test_it_shows_neither_token_nor_whose_it_is() -> None:
    for secret in ("anna", "rt-of", "account-1", "user-1"):
        assert secret not in f"{ACCOUNT!r} {ACCOUNT}"


def test_its_credential_is_of_codex_and_a_refresh_token_whatever_it_looks_like() -> None:
    account = structs.replace(ACCOUNT, refresh_token="eyJhb.looks-like.a-jwt")
    credential = Credential(account.token, None, "digest", (), account.id)
    assert UpstreamChoice("client").upstream_of(credential) is UpstreamKind.CODEX
    assert credential.kind is TokenKind.REFRESH
    assert credential.fingerprint == account.token_key


def test_slots_and_limits_of_an_account_outlast_its_login() -> None:
    again = structs.replace(ACCOUNT, refresh_token="rt-2")
    one, two = (
        Credential(account.token, "account-1", "digest", (), account.id)
        for account in (ACCOUNT, again)
    )
    assert one.account == two.account
    sent = Credential(ACCOUNT.token, "account-1")
    claimed = Credential("stored account", ACCOUNT.id)
    assert len({one.account, sent.account, claimed.account}) == 3
