"""A code to tokens, and tokens ended (codex 1.1, 1.3)."""

import time
from collections.abc import Callable

from msgspec import Struct
from typing_extensions import override

from service.vocabulary.credentials import TokenAccount, account_in, claims_of
from upstream.login.issuer import LoginError, LoginIssuer
from upstream.tokens.codex import code_in
from upstream.tokens.service import Grant, grant_in

_REVOKE_PATH = "/oauth/revoke"
_AUTH_CLAIM = "https://api.openai.com/auth"
_MAX_EMAIL_CHARS = 254
_MAX_CODE_CHARS = 64


class AuthorizationCode(Struct, frozen=True):
    """What a sign-in gives: good once, for who has the verifier, at the address it was made for."""

    code: str
    verifier: str
    redirect_uri: str

    @override
    def __repr__(self) -> str:
        """Never show the code."""
        return "AuthorizationCode(…)"


class SignedIn(Struct, frozen=True):
    """Tokens, and what they say of whom they are; the issuer is believed, the claims unchecked."""

    grant: Grant
    refresh_token: str
    account: TokenAccount
    user_id: str
    email: str

    @override
    def __repr__(self) -> str:
        """Never show tokens, nor whose they are."""
        return "SignedIn(…)"


async def redeem(
    issuer: LoginIssuer, code: AuthorizationCode, clock: Callable[[], float] = time.time
) -> SignedIn:
    """Exchange a code for tokens.

    Args:
        issuer: gave the code.
        code: that it gave.
        clock: seconds since 1970.

    Raises:
        LoginError: it gives none.
    """
    fields = {
        "grant_type": "authorization_code",
        "client_id": issuer.client_id,
        "code": code.code,
        "code_verifier": code.verifier,
        "redirect_uri": code.redirect_uri,
    }
    answer = await issuer.post(issuer.token_url, fields, is_form=True)
    grant = grant_in(answer.fields, clock()) if answer.is_good else None
    if grant is None or not grant.refresh_token:
        word = code_in(answer.fields)
        reason = f" ({word})" if word.isidentifier() and len(word) <= _MAX_CODE_CHARS else ""
        message = (
            f"{issuer.origin} gave no tokens for the sign-in, but status {answer.status}{reason}: "
            "sign in again."
        )
        raise LoginError(message)
    return _signed_in(grant, grant.refresh_token, answer.text("id_token"))


async def revoke(issuer: LoginIssuer, refresh_token: str) -> None:
    """End a login and all its tokens; one that has ended already is no error.

    Raises:
        LoginError: the service cannot be reached, or is out of order.
    """
    fields = {
        "token": refresh_token,
        "token_type_hint": "refresh_token",
        "client_id": issuer.client_id,
    }
    answer = await issuer.post(issuer.url(_REVOKE_PATH), fields)
    if answer.is_passing:
        message = f"{issuer.origin} did not end the login: it answered with status {answer.status}."
        raise LoginError(message)


def _signed_in(grant: Grant, refresh_token: str, id_token: str) -> SignedIn:
    identity, access = account_in(id_token), account_in(grant.access_token)
    claims = claims_of(id_token)
    auth = claims.get(_AUTH_CLAIM)
    user_id = auth.get("chatgpt_user_id") or auth.get("user_id") if isinstance(auth, dict) else None
    return SignedIn(
        grant,
        refresh_token,
        TokenAccount(
            access.account_id or identity.account_id,
            access.plan or identity.plan,
            is_fedramp=access.is_fedramp,
        ),
        user_id=_word(user_id) or _word(claims.get("sub")),
        email=_word(claims.get("email")),
    )


def _word(value: object) -> str:
    is_word = isinstance(value, str) and value.isprintable() and len(value) <= _MAX_EMAIL_CHARS
    return value if is_word and isinstance(value, str) else ""
