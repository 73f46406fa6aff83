"""The caller's credential: read from headers, told apart, never shown (spec 4)."""

import hashlib
import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from typing_extensions import override

from service.vocabulary.errors import WRONG_KEY, AuthError

ACCESS_PREFIX = "eyJhb"  # base64url of `{"alg`: the convention of this family of gateways
GATEWAY_KEY_PREFIX = "sk-gw-"  # some clients take only what begins like a key of OpenAI's
PASS_THROUGH_PREFIXES = ("fk-", "pk-")  # share and pool tokens of proxies (protocol 1.1)
CODEX_PREFIX = "codex:"  # says of any token that it is for Codex's back end (spec 14.1)
_AUTH_CLAIM = "https://api.openai.com/auth"  # what a token says of its account (codex 1.3)
_JWT = re.compile(r"[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*")
# ASCII that an HTTP header can carry, without the comma, which separates the account id. Real
# tokens have no spaces, but keys that people make up for a gateway without checks may.
_TOKEN = re.compile(r"[ -+\--~]{1,8192}")
_ACCOUNT_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_MAX_PLAN_CHARS = 64

_HOW = "Send 'Authorization: Bearer <refresh_token or access_token>'."


class TokenKind(StrEnum):
    """The step that a token needs before it can be used."""

    ACCESS = "access"
    PASS_THROUGH = "pass_through"  # noqa: S105 - the name of a kind
    REFRESH = "refresh"


class UpstreamKind(StrEnum):
    """The upstreams that a turn may go to."""

    WEBSITE = "website"
    CODEX = "codex"


Limit = Annotated[int, Meta(ge=0, le=10**15)]  # Lua adds larger numbers up wrongly


class Budgets(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How many requests and tokens a gateway key may use in which time (spec 17); 0 is no limit."""

    requests_per_5_hours: Limit = 0
    requests_per_day: Limit = 0
    requests_per_week: Limit = 0
    requests_per_month: Limit = 0
    tokens_per_5_hours: Limit = 0
    tokens_per_day: Limit = 0
    tokens_per_week: Limit = 0
    tokens_per_month: Limit = 0


NO_BUDGETS = Budgets()


class Credential(Struct, frozen=True, repr_omit_defaults=True, dict=True):
    """What the caller sent: a token and, for Team accounts, an account id.

    For a gateway key these are the token and account id stored with it. `gateway_key` is then the
    key's hash, `models` are the names that it may ask for (empty: any), `stored_account` is the id
    of the account that signed in here, if the key stands for one, `sees_account` tells whether the
    limits of the account may be shown to the caller, and `budgets` are the key's.

    What follows from these is computed once and kept with the record, as a request asks for it in
    several places.
    """

    token: str
    account_id: str | None = None
    gateway_key: str | None = None
    models: tuple[str, ...] = ()
    stored_account: str | None = None
    sees_account: bool = True
    budgets: Budgets = NO_BUDGETS

    @property
    def bare_token(self) -> str:
        """The token without the word that says which upstream it is for."""
        return self.token.removeprefix(CODEX_PREFIX)

    @cached_property
    def kind(self) -> TokenKind:
        """Tell access tokens from refresh tokens by their form; a login always gives the latter."""
        token = self.bare_token
        if self.stored_account is not None:
            return TokenKind.REFRESH
        if token.startswith(ACCESS_PREFIX) or _JWT.fullmatch(token):
            return TokenKind.ACCESS
        if token.startswith(PASS_THROUGH_PREFIXES) and token == self.token:
            return TokenKind.PASS_THROUGH
        return TokenKind.REFRESH

    @cached_property
    def fingerprint(self) -> str:
        """Return a hash of the token, safe to store; the same for every account id."""
        return fingerprint(self.token)

    @cached_property
    def account(self) -> str:
        """A hash of token and account id that names this credential's slots, queue and caches.

        The token is part of it because any caller may claim any account id; so two members of a
        Team have slots of their own. A stored account keeps its name, however often it signs in.
        """
        if self.stored_account is not None:
            return fingerprint(f"stored account,{self.stored_account},")  # two commas: unique
        # Without an account id it is the plain fingerprint, as in the state of earlier versions.
        return (
            fingerprint(f"{self.token},{self.account_id}") if self.account_id else self.fingerprint
        )

    @cached_property
    def owner(self) -> str:
        """Return the hash under which this credential's stored files are kept.

        A gateway key is an owner of its own: keys that share a credential do not see each other's
        files, nor do they see those of a caller who sends that credential's token.
        """
        if self.gateway_key is not None:
            return fingerprint(f"gateway key {self.gateway_key}")  # a hash, which has no comma
        return fingerprint(f"{self.token},{self.account_id or ''}")  # no token has a comma

    @override
    def __repr__(self) -> str:
        """Never show the token."""
        return f"Credential({self.kind}, {self.fingerprint[:8]})"


class Caller(Struct, frozen=True):
    """The access token to act with, and its upstream; `account` is `Credential.account`."""

    access_token: str
    account_id: str | None
    account: str
    upstream: UpstreamKind = UpstreamKind.WEBSITE

    @override
    def __repr__(self) -> str:
        """Never show the token."""
        return f"Caller({self.account[:8]})"


ALL_KINDS = frozenset(UpstreamKind)


class UpstreamChoice(Struct, frozen=True):
    """The rule that picks a request's upstream by its credential, as it was sent (spec 14.1).

    `codex_client_id` is the client id in access tokens of Codex's login, `takes_refresh` tells that
    plain refresh tokens are of that login as well (`tokens.provider: codex`), and `taken` are the
    upstreams that this gateway has.
    """

    codex_client_id: str
    takes_refresh: bool = False
    taken: frozenset[UpstreamKind] = ALL_KINDS

    def upstream_of(self, credential: Credential) -> UpstreamKind:
        """Return the upstream of a credential.

        Raises:
            AuthError: this gateway does not have it.
        """
        is_codex = credential.token.startswith(CODEX_PREFIX) or (
            self.takes_refresh
            if credential.kind is TokenKind.REFRESH
            else self._is_codex_token(credential.token)
        )
        kind = UpstreamKind.CODEX if is_codex else UpstreamKind.WEBSITE
        if kind not in self.taken:
            raise AuthError(f"{WRONG_KEY} {_NOT_TAKEN[kind]}")
        return kind

    def _is_codex_token(self, access_token: str) -> bool:
        claims = claims_of(access_token)
        audience = claims.get("aud")
        named = audience if isinstance(audience, list) else [audience]
        return self.codex_client_id in (claims.get("client_id"), *named)


_NOT_TAKEN = {
    UpstreamKind.WEBSITE: (
        "This gateway takes accounts of Codex's login only: an access token of that login, or any "
        f"of its tokens as '{CODEX_PREFIX}<token>'."
    ),
    UpstreamKind.CODEX: "This gateway takes no accounts of Codex's login.",
}


class TokenAccount(Struct, frozen=True):
    """What an access token claims about its account; the claims are not verified (codex 1.3)."""

    account_id: str = ""
    plan: str = ""
    is_fedramp: bool = False


@lru_cache(maxsize=1024)  # without the cache, 0.1 ms for each request with an access token
def claims_of(access_token: str) -> Mapping[str, Any]:
    """Return the claims of a JWT, unverified; empty when it cannot be decoded."""
    try:
        _, payload, _ = access_token.split(".")
        claims = msgspec.json.decode(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (msgspec.DecodeError, ValueError, RecursionError):
        return {}  # callers may send any text as a token; that is no error of ours
    return claims if isinstance(claims, dict) else {}


def account_in(access_token: str) -> TokenAccount:
    """Return the account that an access token claims, unverified."""
    claim = claims_of(access_token).get(_AUTH_CLAIM)
    told = claim if isinstance(claim, dict) else {}
    account_id, plan = told.get("chatgpt_account_id"), told.get("chatgpt_plan_type")
    is_id = isinstance(account_id, str) and _ACCOUNT_ID.fullmatch(account_id)
    return TokenAccount(
        account_id=account_id if isinstance(account_id, str) and is_id else "",
        plan=plan[:_MAX_PLAN_CHARS] if isinstance(plan, str) else "",
        is_fedramp=told.get("chatgpt_account_is_fedramp") is True,
    )


def fingerprint(token: str) -> str:
    """Return 32 hexadecimal characters that stand for a token in keys and logs."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def read_credential(
    authorization: str | None, api_key: str | None, account_id: str | None
) -> Credential:
    """Return the credential of a request's headers.

    Args:
        authorization: the header of that name.
        api_key: the header `api-key`, read when the other is missing.
        account_id: the header `ChatGPT-Account-ID`.

    Raises:
        AuthError: missing or malformed.
    """
    if authorization is not None:
        scheme, _, given = authorization.strip().partition(" ")
        if scheme.lower() != "bearer" or not given.strip():
            message = f"The Authorization header is not a Bearer token. {_HOW}"
            raise AuthError(message)
    elif api_key:
        given = api_key
    else:
        message = f"You didn't provide an API key. {_HOW}"
        raise AuthError(message)
    token, _, suffix = given.strip().partition(",")
    token, account = token.strip(), suffix.strip() or (account_id or "").strip()
    if not _TOKEN.fullmatch(token):
        message = f"The API key holds characters that no token has, or is over 8192 long. {_HOW}"
        raise AuthError(message)
    if account and not _ACCOUNT_ID.fullmatch(account):
        message = "The account id may hold letters, digits, '-' and '_' only, 128 at the most."
        raise AuthError(message)
    _refuse_misplaced_key(token, account)
    return Credential(token, account or None)


def _refuse_misplaced_key(token: str, account: str) -> None:
    """Refuse a gateway key in the wrong place or form, which would be passed on to others."""
    rest = token.removeprefix(GATEWAY_KEY_PREFIX)
    if GATEWAY_KEY_PREFIX in f"{rest},{account}".lower():
        message = (
            f"{WRONG_KEY} There is a key of this gateway in it, and something else besides. "
            f"Send the key alone, as it was made: 'Authorization: Bearer {GATEWAY_KEY_PREFIX}…'."
        )
        raise AuthError(message)
