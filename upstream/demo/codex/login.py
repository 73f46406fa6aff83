"""Signing in: by device code, by browser, and the exchange of tokens (X1).

Everybody is signed in at once, as the account and with the outcome that were chosen by
`DemoOptions` or by `POST /demo/codex/login`.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Literal, get_args
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from upstream.demo.codex.accounts import CLIENT_ID, Account, Accounts
from upstream.demo.codex.stats import STATS
from upstream.demo.ground.delivery import short_hash
from upstream.demo.ground.jwts import base64url
from upstream.demo.ground.recent import Recent
from upstream.demo.ground.refusals import Refusal, busy, detail, page, read_fields

Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]
Outcome = Literal["ok", "denied", "expired", "off", "never"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

POLLS_BEFORE_CODE = 2
CODE_SECONDS = 900
KEPT_PENDING = 1_000
SLOW_SECONDS = 2.0
DEVICE_CALLBACK = "/deviceauth/callback"
_PAGE = """<!DOCTYPE html><html lang="en"><head><title>Demo sign-in</title></head><body>
<h1>Demo: your code is accepted</h1><p>There is nothing to type. Go back to your device.</p>
</body></html>"""
_AUTHORIZED = {"response_type": "code", "client_id": CLIENT_ID, "code_challenge_method": "S256"}


class Choice(msgspec.Struct, frozen=True):
    """As whom a login signs in, and how it ends."""

    account: str = "demo"
    outcome: Outcome = "ok"

    @property
    def is_terse(self) -> bool:
        """Whether its answers are in the other spellings."""
        return "terse" in Account(self.account).words


class Pending(msgspec.Struct):
    """A login that has not got its tokens yet."""

    choice: Choice
    expires_at: float
    challenge: str = ""
    verifier: str = ""
    user_code: str = ""
    redirect_uri: str = ""
    """Empty: that of the device code."""
    polls: int = 0

    def fits(self, fields: dict[str, Any]) -> bool:
        """Tell whether an exchange of its code has the right verifier and address."""
        redirect_uri = str(fields.get("redirect_uri") or "")
        is_device = not self.redirect_uri and redirect_uri.endswith(DEVICE_CALLBACK)
        is_right = _s256(str(fields.get("code_verifier") or "")) == self.challenge
        return is_right and (is_device or redirect_uri == self.redirect_uri != "")


class Logins:
    """Logins under way, by device id or by authorization code."""

    def __init__(self, choice: Choice, interval: str, clock: Callable[[], float]) -> None:
        self.choice = choice
        self.interval = interval
        self._clock = clock
        self._pending: Recent[str, Pending] = Recent(KEPT_PENDING)

    def add(self, key: str, **fields: Any) -> None:
        """Begin a login."""
        expires_at = self._clock() + CODE_SECONDS
        self._pending[key] = Pending(fields.pop("choice", self.choice), expires_at, **fields)

    def find(self, key: str) -> Pending | None:
        """Return a login that is still good."""
        pending = self._pending.get(key)
        return pending if pending and pending.expires_at > self._clock() else None

    def take(self, key: str) -> Pending | None:
        """Return a login and forget it: a code is good once."""
        pending = self.find(key)
        self._pending.pop(key, None)
        return pending


LOGINS: web.AppKey[Logins] = web.AppKey("CODEX_LOGINS", Logins)
ACCOUNTS: web.AppKey[Accounts] = web.AppKey("CODEX_ACCOUNTS", Accounts)


async def post_user_code(request: web.Request) -> web.Response:
    """Begin a login by device code; 404 where the workspace has switched it off."""
    logins = request.app[LOGINS]
    if (await read_fields(request)).get("client_id") != CLIENT_ID:
        raise _refusal("invalid_client", "This client is not known.")
    if logins.choice.outcome == "off":
        raise Refusal(404, detail("Not Found"))
    verifier = secrets.token_urlsafe(48)
    device_id = f"deviceauth_{secrets.token_hex(16)}"
    code = f"{secrets.token_hex(2)}-{secrets.token_hex(3)}".upper()
    logins.add(device_id, challenge=_s256(verifier), verifier=verifier, user_code=code)
    shown: dict[str, Any] = {"user_code": code, "interval": logins.interval}
    if logins.choice.is_terse:
        shown = {"usercode": code, "interval": int(logins.interval)}
    return web.json_response({"device_auth_id": device_id, **shown})


async def post_device_token(request: web.Request) -> web.Response:
    """Answer "not yet" twice, and then the code."""
    fields, logins = await read_fields(request), request.app[LOGINS]
    device_id = str(fields.get("device_auth_id"))
    pending = logins.find(device_id)
    if pending is None or pending.user_code != fields.get("user_code"):
        raise _refusal("expired_token", "This code is not known, or too old.")
    pending.polls += 1
    outcome = pending.choice.outcome
    if pending.polls <= POLLS_BEFORE_CODE or outcome == "never":
        raise _refusal("authorization_pending", "The code was not typed in yet.", 403)
    if outcome == "denied":
        raise _refusal("access_denied", "The sign-in was denied.", 401)
    if outcome == "expired":
        raise _refusal("expired_token", "The code is too old.", 410)
    logins.take(device_id)
    code = f"ac_{secrets.token_urlsafe(24)}"
    logins.add(code, choice=pending.choice, challenge=pending.challenge)
    told = {"code_challenge": pending.challenge, "code_verifier": pending.verifier}
    return web.json_response({"authorization_code": code, **told})


async def get_device_page(_request: web.Request) -> web.Response:
    """Show the page on which people type the code."""
    return web.Response(text=_PAGE, content_type="text/html")


async def post_choice(request: web.Request) -> web.Response:
    """Choose account and outcome of all logins from now on."""
    fields, logins = await read_fields(request), request.app[LOGINS]
    wanted = msgspec.to_builtins(logins.choice) | {
        name: fields[name] for name in fields if fields[name]
    }
    try:
        logins.choice = msgspec.convert(wanted, Choice)
    except msgspec.ValidationError as exc:
        raise Refusal(400, detail(str(exc))) from exc
    return web.json_response(msgspec.to_builtins(logins.choice))


async def get_authorize(request: web.Request) -> web.Response:
    """Send the browser straight back with a code, or with the refusal."""
    query, logins = request.query, request.app[LOGINS]
    wrong = [name for name, value in _AUTHORIZED.items() if query.get(name) != value]
    wrong += [name for name in ("code_challenge", "state") if not query.get(name)]
    redirect_uri = query.get("redirect_uri", "")
    if not redirect_uri.startswith("http://localhost:"):
        wrong.append("redirect_uri")
    if wrong:
        raise web.HTTPBadRequest(text=f"Demo: these parameters are not right: {', '.join(wrong)}")
    if logins.choice.outcome == "ok":
        code = f"ac_{secrets.token_urlsafe(24)}"
        logins.add(code, challenge=query["code_challenge"], redirect_uri=redirect_uri)
        answer = {"code": code, "scope": query.get("scope", "")}
    else:
        answer = {"error": "access_denied", "error_description": "The sign-in was denied."}
    raise web.HTTPFound(f"{redirect_uri}?{urlencode({**answer, 'state': query['state']})}")


def token_endpoint(others: Handle) -> Handle:
    """Return the handler of `/oauth/token`, which leaves other clients to `others`."""

    async def post_token(request: web.Request) -> web.StreamResponse:
        fields = await read_fields(request)
        refresh_token = str(fields.get("refresh_token") or "")
        is_code = fields.get("grant_type") == "authorization_code"
        if fields.get("client_id") != CLIENT_ID and not is_code:
            if request.app[ACCOUNTS].is_known(refresh_token):
                raise _refusal("invalid_client", "The token is of another client.", 401)
            return await others(request)
        stats = request.app[STATS]
        kind = "json" if request.content_type == "application/json" else "form"
        stats.counts[f"tokens_by_{kind}"] += 1
        if is_code:
            return web.json_response(_redeem(request, fields))
        if fields.get("grant_type") != "refresh_token" or not refresh_token:
            raise _refusal("unsupported_grant_type", "There is nothing to exchange.")
        name = refresh_token.partition("~")[0]
        stats.counts["exchanges"] += 1
        stats.exchanges[short_hash(name)] += 1
        instead = await _transient(Account(name).words)
        return instead or web.json_response(request.app[ACCOUNTS].exchange(refresh_token))

    return post_token


async def post_revoke(request: web.Request) -> web.Response:
    """End a login by one of its tokens."""
    token = str((await read_fields(request)).get("token") or "")
    request.app[STATS].counts["revocations"] += request.app[ACCOUNTS].revoke(token)
    return web.json_response({})


async def post_expire(request: web.Request) -> web.Response:
    """End all access tokens so far, with the `code` that is asked for."""
    code = str((await read_fields(request)).get("code") or "token_expired")
    request.app[ACCOUNTS].end_all(code)
    return web.json_response({"code": code})


def _redeem(request: web.Request, fields: dict[str, Any]) -> dict[str, Any]:
    pending = request.app[LOGINS].take(str(fields.get("code")))
    if pending is None or not pending.fits(fields):
        raise _refusal("invalid_grant", "The code, its verifier or its address is wrong.")
    request.app[STATS].counts["logins"] += 1
    answer = request.app[ACCOUNTS].sign_in(pending.choice.account)
    if pending.choice.is_terse:
        answer["expires_in"] = str(answer["expires_in"])
    return answer


async def _transient(words: frozenset[str]) -> web.Response | None:
    """Play the passing faults of the token service that a name asks for."""
    if "slow" in words:
        await asyncio.sleep(SLOW_SECONDS)
    if "busy" in words:
        raise busy("1")
    if "down" in words:
        raise Refusal(500, detail("Something went wrong."))
    return page(503) if "html" in words else None


def _s256(verifier: str) -> str:
    return base64url(hashlib.sha256(verifier.encode()).digest())


def _refusal(code: str, message: str, status: int = 400) -> Refusal:
    error = {"code": code, "message": message, "type": "invalid_request_error"}
    return Refusal(status, {"error": error})
