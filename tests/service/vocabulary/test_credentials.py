import jwt
import pytest

from service.vocabulary.credentials import (
    Caller,
    Credential,
    TokenAccount,
    TokenKind,
    UpstreamChoice,
    account_in,
    fingerprint,
    read_credential,
)
from service.vocabulary.errors import AuthError
from tests.rows import each_row

JWT = "eyJhbGciOi.eyJleHAiOj.c2ln"


@each_row(
    ("authorization", "api_key", "account", "credential"),
    [
        ("Bearer tok", None, None, Credential("tok")),
        ("bearer  tok ", None, None, Credential("tok")),
        ("Bearer tok,acc-1", None, None, Credential("tok", "acc-1")),
        ("Bearer tok, acc-1", None, "other", Credential("tok", "acc-1")),
        ("Bearer tok", None, "acc-1", Credential("tok", "acc-1")),
        (None, "tok", None, Credential("tok")),
        (None, "tok,acc", None, Credential("tok", "acc")),
        ("Bearer a", "b", None, Credential("a")),
        ("Bearer not needed", None, None, Credential("not needed")),
        ("Bearer any key, acc", None, None, Credential("any key", "acc")),
    ],
)
def test_headers_are_read_as_documented(authorization, api_key, account, credential) -> None:
    assert read_credential(authorization, api_key, account) == credential


@each_row(
    ("authorization", "account"),
    [
        (None, None),
        ("", None),
        ("Bearer", None),
        ("Bearer ", None),
        ("Basic dXNlcg==", None),
        ("Bearer tök", None),
        ("Bearer ,acc", None),
        ("Bearer " + "x" * 8193, None),
        ("Bearer tok,a b", None),
        ("Bearer tok,a,b", None),
        ("Bearer tok", "a/../b"),
    ],
)
def test_what_is_no_credential_is_a_401_that_shows_no_part_of_it(authorization, account) -> None:
    with pytest.raises(AuthError) as caught:
        read_credential(authorization, None, account)
    assert (caught.value.status, caught.value.code) == (401, "invalid_api_key")
    for word in ("dXNlcg", "tök"):
        assert word not in caught.value.message


@each_row(
    ("token", "kind"),
    [
        (JWT, TokenKind.ACCESS),
        ("eyJhbGciOi-anything", TokenKind.ACCESS),
        ("abcd.efgh.ijkl", TokenKind.ACCESS),
        ("fk-share", TokenKind.PASS_THROUGH),
        ("pk-pool", TokenKind.PASS_THROUGH),
        ("v1.MjEwNzU", TokenKind.REFRESH),
        ("x" * 45, TokenKind.REFRESH),
        ("sk-anything", TokenKind.REFRESH),
    ],
)
def test_kinds_are_told_apart_by_form(token: str, kind: TokenKind) -> None:
    assert Credential(token).kind is kind


def test_no_representation_holds_a_token() -> None:
    shown = repr((Credential("secret-token", "acc"), Caller("secret-token", None, "a" * 32)))
    assert "secret" not in shown
    assert "secret" not in fingerprint("secret-token")
    assert len(fingerprint("\ud83d")) == 32


def test_an_owner_is_a_token_together_with_its_account_id() -> None:
    owners = {Credential("t").owner, Credential("t", "a").owner, Credential("u", "a").owner}
    assert len(owners) == 3
    assert Credential("t", "a").owner == read_credential("Bearer t", None, "a").owner
    assert all(len(owner) == 32 for owner in owners)


def test_an_account_is_a_token_together_with_its_account_id() -> None:
    credentials = (Credential("t"), Credential("t", "a"), Credential("u", "a"), Credential("a"))
    assert len({credential.account for credential in credentials}) == 4
    assert Credential("t").account == fingerprint("t")  # as in state of earlier versions
    with_key = Credential("t", "a", gateway_key="0" * 64)
    assert with_key.account == Credential("t", "a").account
    assert with_key.owner != Credential("t", "a").owner


@each_row(
    ("authorization", "account"),
    [
        ('Bearer "sk-gw-abc"', None),
        ("Bearer token=sk-gw-abc", None),
        ("Bearer SK-GW-abc", None),
        ("Bearer sk-gw-abcsk-gw-def", None),
        ("Bearer refresh-token,sk-gw-abc", None),
        ("Bearer refresh-token", "sk-gw-abc"),
    ],
)
def test_a_gateway_key_that_is_not_sent_as_it_was_made_is_none(
    authorization: str, account: str | None
) -> None:
    with pytest.raises(AuthError, match="Send the key alone") as caught:
        read_credential(authorization, None, account)
    assert "abc" not in caught.value.message


def test_a_gateway_key_as_it_was_made_is_read() -> None:
    assert read_credential("Bearer sk-gw-abc", None, "team-1") == Credential("sk-gw-abc", "team-1")


# --- which upstream a credential is of (spec 14.1) ------------------------------------

CLIENT = "app_EMoamEEZ73f0CkXaXp7hrann"
KEY = "made up for tests, thirty-two bytes or more"


def token(**claims: object) -> str:
    made: str = jwt.encode(claims, KEY)
    return made


@each_row(
    ("sent", "takes_refresh", "kind"),
    [
        (token(client_id=CLIENT), False, "codex"),
        (token(aud=CLIENT), False, "codex"),
        (token(aud=["https://api.openai.com/v1", CLIENT]), False, "codex"),
        (token(aud=["https://api.openai.com/v1"], client_id="pdl"), True, "website"),
        (token(aud=3), False, "website"),
        (f"codex:{token(client_id='pdl')}", False, "codex"),
        ("codex:rt_a.b", False, "codex"),
        ("codex:fk-a", False, "codex"),
        ("rt_plain", False, "website"),
        ("rt_plain", True, "codex"),
        ("fk-pool", True, "website"),
        ("eyJhbroken", True, "website"),
        ("eyJhbGciOiJIUzI1NiJ9.e30", False, "website"),
    ],
)
def test_the_credential_alone_says_which_upstream_it_is_for(sent, takes_refresh, kind):
    choice = UpstreamChoice(CLIENT, takes_refresh)
    assert choice.upstream_of(Credential(sent, "an-account")) == kind
    assert choice.upstream_of(Credential(sent, None, "a gateway key")) == kind


def test_the_word_before_a_token_is_no_part_of_it_but_of_its_owner():
    plain, named = Credential("rt_a"), Credential("codex:rt_a")
    assert (named.kind, named.bare_token) == (TokenKind.REFRESH, "rt_a")
    assert Credential(f"codex:{token(a=1)}").kind is TokenKind.ACCESS
    assert named.owner != plain.owner
    assert named.account != plain.account


def test_an_access_token_says_whose_it_is():
    claim = {
        "chatgpt_account_id": "acc-1",
        "chatgpt_plan_type": "plus",
        "chatgpt_account_is_fedramp": True,
    }
    made = token(**{"https://api.openai.com/auth": claim})
    assert account_in(made) == TokenAccount("acc-1", "plus", is_fedramp=True)


@each_row("claim", [None, 3, {}, {"chatgpt_account_id": "a\nb", "chatgpt_plan_type": 3}])
def test_what_a_token_does_not_say_well_it_does_not_say(claim):
    assert account_in(token(**{"https://api.openai.com/auth": claim})) == TokenAccount()
    assert account_in("rt_opaque") == TokenAccount()
