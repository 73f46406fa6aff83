"""The form of gateway keys."""

import hashlib
import re

import pytest

from service.vocabulary.credentials import read_credential
from service.vocabulary.gateway_keys import (
    PREFIX,
    digest_of,
    holds_gateway_key,
    is_foreign_key,
    is_gateway_key,
    key_id,
    new_key,
)


def test_a_key_is_new_each_time_and_can_be_sent() -> None:
    keys = {new_key() for _ in range(1000)}
    assert len(keys) == 1000
    for key in keys:
        assert re.fullmatch(r"sk-gw-[a-z0-9]{8}[A-Za-z0-9]{43}", key)
        assert read_credential(f"Bearer {key}", None, None).token == key
        assert is_gateway_key(key)
        assert key_id(key) == key[6:14]


@pytest.mark.parametrize("text", ["", "sk-gw", "sk-x", "eyJhb", "fk-gw-abcdefgh", "SK-GW-abc"])
def test_other_credentials_are_no_gateway_keys(text: str) -> None:
    assert not is_gateway_key(text)


@pytest.mark.parametrize(
    "change",
    [lambda key: key[:-1], lambda key: f"{key}a", lambda key: key[:-1] + "-", lambda _: "sk-gw-"],
)
def test_what_only_begins_like_a_key_has_no_id(change) -> None:
    text = change(new_key())
    assert is_gateway_key(text)
    assert key_id(text) is None


def test_a_digest_is_the_sha_256() -> None:
    assert digest_of("abc") == hashlib.sha256(b"abc").hexdigest()


@pytest.mark.parametrize("text", [f'"{PREFIX}x"', PREFIX.upper(), f"a{PREFIX}", PREFIX])
def test_a_key_is_known_whatever_is_around_it(text: str) -> None:
    assert holds_gateway_key(text)


def test_a_key_of_another_service_is_known_by_its_beginning() -> None:
    for text in ("sk-proj-x", "sk-ant-x", "SK-X"):
        assert is_foreign_key(text)
    for text in ("ask-x", "v1.MjEw", "rt_x", "s-k"):
        assert not is_foreign_key(text)
        assert not holds_gateway_key(text)
