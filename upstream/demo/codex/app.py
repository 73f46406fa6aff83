"""Adds the Codex upstream to a demo: its routes, and the door that the back end's have."""

import secrets
import time
from collections.abc import Callable

import msgspec
from aiohttp import web

from upstream.demo.codex import login, responses, stats
from upstream.demo.codex.accounts import Accounts, Caller
from upstream.demo.codex.faults import ONCE
from upstream.demo.codex.images import draws
from upstream.demo.codex.login import Handle
from upstream.demo.codex.plans import LIMITS, Limits, answer_models
from upstream.demo.codex.stats import CALLER, IS_BARE
from upstream.demo.ground.jwts import bearer_of
from upstream.demo.ground.options import DemoOptions
from upstream.demo.ground.refusals import Refusal, detail
from upstream.demo.ground.words import Once


def add_codex(
    app: web.Application,
    options: DemoOptions,
    others_tokens: Handle,
    clock: Callable[[], float] = time.time,
) -> None:
    """Let a demo play Codex's login and back end as well.

    Args:
        app: the demo.
        options: how it behaves.
        others_tokens: answers `/oauth/token` for the clients of other upstreams.
        clock: the time of tokens and limits.
    """
    wanted = {"account": options.codex_account, "outcome": options.codex_outcome}
    choice = msgspec.convert(wanted, login.Choice)
    app[stats.STATS] = stats.Stats()
    app[login.ACCOUNTS] = Accounts(options.access_seconds, clock)
    app[login.LOGINS] = login.Logins(choice, options.codex_interval, clock)
    app[LIMITS] = Limits(clock)
    app[ONCE] = Once()
    app[responses.PREFIXES] = responses.Prefixes()
    app.on_response_prepare.append(_dress)
    app.router.add_post("/oauth/token", login.token_endpoint(others_tokens))
    for method, path, handle in _OPEN:
        app.router.add_route(method, path, handle)
    for method, path, handle in _GUARDED:
        app.router.add_route(method, f"/backend-api{path}", _guarded(handle))


async def get_models(request: web.Request) -> web.StreamResponse:
    """Answer the catalogue."""
    known = request.headers.get("If-None-Match", "")
    return answer_models(request[CALLER], request.query.get("client_version", ""), known)


async def get_usage(request: web.Request) -> web.StreamResponse:
    """Answer the account's windows."""
    return web.json_response(request.app[LIMITS].usage(request[CALLER]))


async def get_socket(_request: web.Request) -> web.StreamResponse:
    """Say that there is no WebSocket."""
    raise Refusal(426, detail("Upgrade Required"), {"Upgrade": "websocket"})


def _guarded(handle: Handle) -> Handle:
    """Return a handler behind the door, where every request is remembered."""

    async def enter(request: web.Request) -> web.StreamResponse:
        seen, status = request.app[stats.STATS], 0
        try:
            seen.note_body(request.path, await request.read())
            request[CALLER] = _caller(request)
            seen.note_manners(request, request[CALLER])
            response = await handle(request)
            status = response.status
        except web.HTTPException as refusal:
            status = refusal.status
            raise
        else:
            return response
        finally:
            seen.note_request(request, status)

    return enter


def _caller(request: web.Request) -> Caller:
    account_id = request.headers.get("ChatGPT-Account-Id", "")
    caller = request.app[login.ACCOUNTS].caller(bearer_of(request), account_id)
    if not account_id:
        raise Refusal(401, detail("ChatGPT-Account-Id header is missing"))
    return caller


async def _dress(request: web.Request, response: web.StreamResponse) -> None:
    """Give an answer the headers that all have, and take away the one that streams lack."""
    if CALLER not in request:
        return
    request_id = secrets.token_hex(16)
    response.headers["x-request-id"] = request_id
    response.headers["x-oai-request-id"] = request_id
    response.headers["cf-ray"] = f"{secrets.token_hex(8)}-DEMO"
    for cookie in stats.cookies_of(request[CALLER].account_id):
        response.headers.add("Set-Cookie", cookie)
    if request.get(IS_BARE):
        response.headers.pop("Content-Type", None)


_OPEN: tuple[tuple[str, str, Handle], ...] = (
    ("POST", "/api/accounts/deviceauth/usercode", login.post_user_code),
    ("POST", "/api/accounts/deviceauth/token", login.post_device_token),
    ("GET", "/codex/device", login.get_device_page),
    ("GET", "/oauth/authorize", login.get_authorize),
    ("POST", "/oauth/revoke", login.post_revoke),
    ("POST", "/demo/codex/login", login.post_choice),
    ("POST", "/demo/codex/expire", login.post_expire),
    ("GET", "/demo/codex/stats", stats.get_stats),
    ("GET", r"/demo/codex/bodies/{n:\d+}", stats.get_body),
)
_GUARDED: tuple[tuple[str, str, Handle], ...] = (
    ("GET", "/codex/models", get_models),
    ("GET", "/codex/usage", get_usage),
    ("GET", "/wham/usage", get_usage),
    ("GET", "/codex/responses", get_socket),
    ("POST", "/codex/responses", responses.post_responses),
    ("POST", "/codex/responses/compact", responses.post_compact),
    ("POST", "/codex/images/generations", draws("image_generation")),
    ("POST", "/codex/images/edits", draws("image_edit")),
)
