"""Tokens of three parts."""

from tests.rows import each_row
from upstream.demo.ground.jwts import base64url, claims_of, is_expired, make_jwt


def test_a_token_says_what_it_was_made_of() -> None:
    token = make_jwt({"sub": "me", "exp": 10})
    assert token.startswith("eyJhb")
    assert claims_of(token) == {"sub": "me", "exp": 10}
    assert make_jwt({"sub": "me", "exp": 10}) != token


@each_row("token", ["", "a", "a.b.c", "a.W10.c", "a.eyJ.c"])
def test_what_cannot_be_read_says_nothing(token: str) -> None:
    assert claims_of(token) == {}


def test_time_ends_a_token() -> None:
    assert is_expired({"exp": 10}, 10)
    assert not is_expired({"exp": 10.5}, 10)
    assert not is_expired({"exp": "soon"}, 10)


def test_base64_for_addresses_has_no_padding() -> None:
    assert base64url(b"\xff\xfe\xfd\xfc") == "__79_A"
