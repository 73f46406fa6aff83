"""The form of gateway keys."""

import hashlib
import re

from msgspec import structs

from service.vocabulary.credentials import (
    Credential,
    TokenKind,
    UpstreamChoice,
    UpstreamKind,
    read_credential,
)
from service.vocabulary.gateway_keys import (
    PREFIX,
    Issuer,
    StoredAccount,
    digest_of,
    holds_gateway_key,
    is_foreign_key,
    is_gateway_key,
    key_id,
    new_key,
)
from tests.rows import each_row


def test_a_key_is_new_each_time_and_can_be_sent() -> None:
    keys = {new_key() for _ in range(1000)}
    assert len(keys) == 1000
    for key in keys:
        assert re.fullmatch(r"sk-gw-[a-z0-9]{8}[A-Za-z0-9]{43}", key)
        assert read_credential(f"Bearer {key}", None, None).token == key
        assert is_gateway_key(key)
        assert key_id(key) == key[6:14]


@each_row("text", ["", "sk-gw", "sk-x", "eyJhb", "fk-gw-abcdefgh", "SK-GW-abc"])
def test_other_credentials_are_no_gateway_keys(text: str) -> None:
    assert not is_gateway_key(text)


@each_row(
    "change",
    [lambda key: key[:-1], lambda key: f"{key}a", lambda key: key[:-1] + "-", lambda _: "sk-gw-"],
)
def test_what_only_begins_like_a_key_has_no_id(change) -> None:
    text = change(new_key())
    assert is_gateway_key(text)
    assert key_id(text) is None


def test_a_digest_is_the_sha_256() -> None:
    assert digest_of("abc") == hashlib.sha256(b"abc").hexdigest()


@each_row("text", [f'"{PREFIX}x"', PREFIX.upper(), f"a{PREFIX}", PREFIX])
def test_a_key_is_known_whatever_is_around_it(text: str) -> None:
    assert holds_gateway_key(text)


def test_a_key_of_another_service_is_known_by_its_beginning() -> None:
    for text in ("sk-proj-x", "sk-ant-x", "SK-X"):
        assert is_foreign_key(text)
    for text in ("ask-x", "v1.MjEw", "rt_x", "s-k"):
        assert not is_foreign_key(text)
        assert not holds_gateway_key(text)


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


@each_row(
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
