"""Access tokens: issued for refresh tokens, checked on every backend-api call.

Source: protocol 7.1 to 7.3 and 4.2. Any refresh token works, except that its
first letters choose a fault: `dead`, `html`, `busy`, `slow`, `opaque`.
"""

import asyncio
import base64
import hashlib
import secrets
import time
import uuid
from typing import Any

import msgspec
import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from upstream.demo.ground.options import OPTIONS, DemoOptions
from upstream.demo.ground.refusals import Refusal, detail, page
from upstream.demo.ground.stats import STATS

SLOW_SECONDS = 2.0
AUTH_CLAIM = "https://api.openai.com/auth"
PLAIN_PREFIXES = ("fk-", "pk-")
CODEX_PATHS = ("/backend-api/codex/", "/backend-api/wham/")
"""The other upstream's, which has tokens of its own."""


class Grant(msgspec.Struct, frozen=True):
    """What was given for one refresh token."""

    access_token: str
    refresh_token: str | None


class Tokens:
    """The access tokens issued so far and the refresh tokens that rotation used up."""

    def __init__(self, options: DemoOptions) -> None:
        self._options = options
        self._expires_at: dict[str, float] = {}
        self._account_of: dict[str, str] = {}
        self._revoked: set[str] = set()
        self._used_up: set[str] = set()

    def exchange(self, refresh_token: str) -> Grant:
        """Return a new access token, and a new refresh token when rotating.

        Raises:
            Refusal: rotation has used this refresh token up.
        """
        if refresh_token in self._used_up:
            raise Refusal(401, _reused())
        stem = refresh_token.partition("~")[0]
        account_id = account_id_of(stem)
        expires_at = time.time() + self._options.access_seconds
        if stem.startswith("opaque"):
            access_token = f"opaque-{secrets.token_urlsafe(24)}"
        else:
            access_token = _jwt(account_id, expires_at)
        self._expires_at[access_token] = expires_at
        self._account_of[access_token] = account_id
        if not self._options.rotate:
            return Grant(access_token, None)
        self._used_up.add(refresh_token)
        return Grant(access_token, f"{stem}~{secrets.token_urlsafe(12)}")

    def account_of(self, bearer: str) -> str:
        """Return the id of the account that a bearer speaks for.

        Raises:
            Refusal: 401, it is expired, revoked or no token at all.
        """
        if bearer in self._revoked:
            raise Refusal(
                401, detail("Your authentication token has been revoked.", "token_revoked")
            )
        if bearer in self._expires_at:
            if self._expires_at[bearer] <= time.time():
                raise Refusal(401, _expired())
            return self._account_of[bearer]
        if bearer.startswith(PLAIN_PREFIXES):
            return account_id_of(bearer)
        if bearer.startswith("eyJhb"):
            return _foreign_account(bearer)
        raise Refusal(401, detail("Unauthorized"))

    def revoke(self, token: str | None) -> int:
        """Revoke one token, or every issued one; return how many."""
        chosen = set(self._expires_at) - self._revoked if token is None else {token}
        self._revoked |= chosen
        return len(chosen)


TOKENS: web.AppKey[Tokens] = web.AppKey("TOKENS", Tokens)
OWNER: web.RequestKey[str] = web.RequestKey("OWNER", str)
"""The account that a checked request acts for."""


def account_id_of(stem: str) -> str:
    """Return the same account id for the same token, always."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"demo account of {stem}"))


def bearer_of(request: web.Request) -> str:
    """Return the bearer token of a request, or an empty string."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


@web.middleware
async def check_bearer(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let only callers with a good token through to `backend-api`."""
    if "/backend-api/" in request.path and not request.path.startswith(CODEX_PATHS):
        if request.path.endswith("/estuary/content") and not bearer_of(request):
            raise Refusal(403, detail("Forbidden"))
        own_account = request.app[TOKENS].account_of(bearer_of(request))
        request[OWNER] = request.headers.get("ChatGPT-Account-ID") or own_account
    return await handler(request)


async def fields_of(request: web.Request) -> dict[str, Any]:
    """Return the fields of a form or of a JSON object, whatever the content type says."""
    raw = await request.read()
    if raw.lstrip().startswith(b"{"):
        try:
            decoded = orjson.loads(raw)
        except orjson.JSONDecodeError as exc:
            raise Refusal(400, detail("The body is not JSON.")) from exc
        return decoded if isinstance(decoded, dict) else {}
    return {name: str(value) for name, value in (await request.post()).items()}


async def post_refresh(request: web.Request) -> web.Response:
    """Exchange a refresh token the oaiFree way (protocol 7.2)."""
    return await _answer_exchange(request, dead_status=401)


async def post_oauth(request: web.Request) -> web.Response:
    """Exchange a refresh token the official way (protocol 7.1)."""
    return await _answer_exchange(request, dead_status=400)


async def _answer_exchange(request: web.Request, *, dead_status: int) -> web.Response:
    refresh_token = str((await fields_of(request)).get("refresh_token") or "")
    request.app[STATS].note_refresh(refresh_token)
    if refresh_token.startswith("html"):
        return page(503)
    if refresh_token.startswith("slow"):
        await asyncio.sleep(SLOW_SECONDS)
    _refuse_if_asked(refresh_token, dead_status)
    grant = request.app[TOKENS].exchange(refresh_token)
    answer = {
        "access_token": grant.access_token,
        "expires_in": int(request.app[OPTIONS].access_seconds),
        "scope": "openid profile email offline_access",
        "token_type": "Bearer",
    }
    if grant.refresh_token:
        answer["refresh_token"] = grant.refresh_token
    return web.json_response(answer)


def _refuse_if_asked(refresh_token: str, dead_status: int) -> None:
    if refresh_token.startswith("busy"):
        raise Refusal(429, detail("Too many requests, please slow down."), {"Retry-After": "1"})
    if refresh_token.startswith("dead-object"):
        raise Refusal(dead_status, _reused())
    if not refresh_token or refresh_token.startswith("dead"):
        raise Refusal(
            dead_status,
            {
                "error": "invalid_grant",
                "error_description": "Unknown or invalid refresh token.",
            },
        )


def _jwt(account_id: str, expires_at: float) -> str:
    user_id = f"user-{hashlib.sha256(account_id.encode()).hexdigest()[:24]}"
    claims = {
        "iss": "https://auth.openai.com",
        "aud": ["https://api.openai.com/v1"],
        "iat": int(time.time()),
        "exp": int(expires_at),
        "sub": f"auth0|{user_id}",
        "jti": secrets.token_hex(8),
        AUTH_CLAIM: {
            "chatgpt_account_id": account_id,
            "chatgpt_plan_type": "plus",
            "chatgpt_user_id": user_id,
            "user_id": user_id,
            "organizations": [],
            "groups": [],
        },
        "https://api.openai.com/profile": {
            "email": "someone@example.org",
            "email_verified": True,
        },
    }
    head = _base64url(orjson.dumps({"alg": "RS256", "kid": "demo", "typ": "JWT"}))
    return f"{head}.{_base64url(orjson.dumps(claims))}.{_base64url(secrets.token_bytes(256))}"


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _foreign_account(token: str) -> str:
    claims = _claims(token)
    expires_at = claims.get("exp")
    if isinstance(expires_at, int | float) and expires_at <= time.time():
        raise Refusal(401, _expired())
    auth = claims.get(AUTH_CLAIM)
    known = auth.get("chatgpt_account_id") if isinstance(auth, dict) else None
    return known if isinstance(known, str) else account_id_of(token)


def _claims(token: str) -> dict[str, Any]:
    payload = [*token.split("."), "", ""][1]
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except ValueError:
        return {}  # a token that cannot be read is taken as one that does not expire
    return claims if isinstance(claims, dict) else {}


def _expired() -> dict[str, Any]:
    return {
        "detail": {
            "message": "Your authentication token has expired. Please try signing in again.",
            "type": "invalid_request_error",
            "param": None,
            "code": "token_expired",
        }
    }


def _reused() -> dict[str, Any]:
    return {
        "error": {
            "message": (
                "Your refresh token has already been used to generate a new access token."
                " Please try signing in again."
            ),
            "type": "invalid_request_error",
            "param": None,
            "code": "refresh_token_reused",
        }
    }
