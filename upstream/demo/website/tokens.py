"""Access tokens: issued for refresh tokens, checked on every backend-api call.

Source: protocol 7.1 to 7.3 and 4.2. Any refresh token works, except that its
first letters choose a fault: `dead`, `html`, `busy`, `slow`, `opaque`.
"""

import asyncio
import secrets
import time
import uuid
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from upstream.demo.ground.delivery import short_hash
from upstream.demo.ground.jwts import (
    AUTH_CLAIM,
    bearer_of,
    claims_about,
    claims_of,
    is_expired,
    make_jwt,
)
from upstream.demo.ground.options import DemoOptions
from upstream.demo.ground.refusals import Refusal, busy, detail, page, read_fields
from upstream.demo.ground.stats import STATS
from upstream.demo.website.bodies import body

SLOW_SECONDS = 2.0
PLAIN_PREFIXES = ("fk-", "pk-")
CODEX_PATHS = ("/backend-api/codex/", "/backend-api/wham/")
"""The other upstream's, which has tokens of its own."""


class Issued(msgspec.Struct, frozen=True):
    """An access token as it is remembered."""

    account_id: str
    expires_at: float


class Tokens:
    """The access tokens issued so far and the refresh tokens that rotation used up."""

    def __init__(self, options: DemoOptions) -> None:
        self._options = options
        self._issued: dict[str, Issued] = {}
        self._revoked: set[str] = set()
        self._used_up: set[str] = set()

    def exchange(self, refresh_token: str) -> dict[str, Any]:
        """Return the token answer, with a new refresh token when rotating.

        Raises:
            Refusal: rotation has used this refresh token up.
        """
        if refresh_token in self._used_up:
            raise Refusal(401, body("used_up"))
        stem = refresh_token.partition("~")[0]
        made = Issued(account_id_of(stem), time.time() + self._options.access_seconds)
        access_token = _jwt(made)
        if stem.startswith("opaque"):
            access_token = f"opaque-{secrets.token_urlsafe(24)}"
        self._issued[access_token] = made
        answer = {
            "access_token": access_token,
            "expires_in": int(self._options.access_seconds),
            "scope": "openid profile email offline_access",
            "token_type": "Bearer",
        }
        if self._options.rotate:
            self._used_up.add(refresh_token)
            answer["refresh_token"] = f"{stem}~{secrets.token_urlsafe(12)}"
        return answer

    def account_of(self, bearer: str) -> str:
        """Return the id of the account that a bearer speaks for.

        Raises:
            Refusal: 401, it is expired, revoked or no token at all.
        """
        if bearer in self._revoked:
            revoked = detail("Your authentication token has been revoked.", "token_revoked")
            raise Refusal(401, revoked)
        if made := self._issued.get(bearer):
            return _unless(made.account_id, is_expired=made.expires_at <= time.time())
        if bearer.startswith(PLAIN_PREFIXES):
            return account_id_of(bearer)
        if not bearer.startswith("eyJhb"):
            raise Refusal(401, detail("Unauthorized"))
        claims = claims_of(bearer)
        auth = claims.get(AUTH_CLAIM)
        known = auth.get("chatgpt_account_id") if isinstance(auth, dict) else None
        account_id = known if isinstance(known, str) else account_id_of(bearer)
        return _unless(account_id, is_expired=is_expired(claims, time.time()))

    def revoke(self, token: str | None) -> int:
        """Revoke one token, or every issued one; return how many."""
        chosen = set(self._issued) - self._revoked if token is None else {token}
        self._revoked |= chosen
        return len(chosen)


TOKENS: web.AppKey[Tokens] = web.AppKey("TOKENS", Tokens)
OWNER: web.RequestKey[str] = web.RequestKey("OWNER", str)
"""The account that a checked request acts for."""


def account_id_of(stem: str) -> str:
    """Return the same account id for the same token, always."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"demo account of {stem}"))


@web.middleware
async def check_bearer(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let only callers with a good token through to `backend-api`."""
    if "/backend-api/" in request.path and not request.path.startswith(CODEX_PATHS):
        if request.path.endswith("/estuary/content") and not bearer_of(request):
            raise Refusal(403, detail("Forbidden"))
        own_account = request.app[TOKENS].account_of(bearer_of(request))
        request[OWNER] = request.headers.get("ChatGPT-Account-ID") or own_account
    return await handler(request)


async def post_refresh(request: web.Request) -> web.Response:
    """Exchange a refresh token the oaiFree way (protocol 7.2)."""
    return await _answer_exchange(request, dead_status=401)


async def post_oauth(request: web.Request) -> web.Response:
    """Exchange a refresh token the official way (protocol 7.1)."""
    return await _answer_exchange(request, dead_status=400)


async def _answer_exchange(request: web.Request, *, dead_status: int) -> web.Response:
    refresh_token = str((await read_fields(request)).get("refresh_token") or "")
    request.app[STATS].refreshes[short_hash(refresh_token)] += 1
    if refresh_token.startswith("html"):
        return page(503)
    if refresh_token.startswith("slow"):
        await asyncio.sleep(SLOW_SECONDS)
    if refresh_token.startswith("busy"):
        raise busy("1")
    if not refresh_token or refresh_token.startswith("dead"):
        is_object = refresh_token.startswith("dead-object")
        raise Refusal(dead_status, body("used_up" if is_object else "dead"))
    return web.json_response(request.app[TOKENS].exchange(refresh_token))


def _unless(account_id: str, *, is_expired: bool) -> str:
    if is_expired:
        raise Refusal(401, body("expired"))
    return account_id


def _jwt(made: Issued) -> str:
    times = (time.time(), made.expires_at)
    claims = claims_about(made.account_id, "plus", times, organizations=[], groups=[])
    return make_jwt({**claims, **body("claims", jti=secrets.token_hex(8))})
