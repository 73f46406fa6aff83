"""Tokens of three parts (protocol 7.3), whose signatures are noise: what counts is what they say."""

import base64
import hashlib
import secrets
from typing import Any

import orjson
from aiohttp import web

Claims = dict[str, Any]
AUTH_CLAIM = "https://api.openai.com/auth"


def bearer_of(request: web.Request) -> str:
    """Return the bearer token of a request, or an empty string."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def make_jwt(claims: Claims) -> str:
    """Return a token that says these claims."""
    head = {"alg": "RS256", "kid": "demo", "typ": "JWT"}
    parts = (orjson.dumps(head), orjson.dumps(claims), secrets.token_bytes(256))
    return ".".join(base64url(part) for part in parts)


def claims_about(account_id: str, plan: str, times: tuple[float, float], **more: Any) -> Claims:
    """Return the claims that all tokens of an account make, issued and ending at these times."""
    user_id = f"user-{hashlib.sha256(account_id.encode()).hexdigest()[:24]}"
    account = {"chatgpt_account_id": account_id, "chatgpt_plan_type": plan}
    user = {"chatgpt_user_id": user_id, "user_id": user_id}
    return {
        "iss": "https://auth.openai.com",
        "iat": int(times[0]),
        "exp": int(times[1]),
        "sub": f"auth0|{user_id}",
        AUTH_CLAIM: {**account, **user, **more},
    }


def claims_of(token: str) -> Claims:
    """Return the claims of a token, none if it cannot be read."""
    payload = [*token.split("."), "", ""][1]
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except ValueError:
        return {}
    return claims if isinstance(claims, dict) else {}


def is_expired(claims: Claims, now: float) -> bool:
    """Tell whether the time of a token is over; one that tells none has no end."""
    expires_at = claims.get("exp")
    return isinstance(expires_at, int | float) and expires_at <= now


def base64url(raw: bytes) -> str:
    """Return base64 for addresses, without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
