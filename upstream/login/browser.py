"""Signing in by a browser that is sent back to this machine (codex 1.1).

    GET https://auth.openai.com/oauth/authorize?response_type=code&state=…&code_challenge=…
    302 http://localhost:1455/auth/callback?code=…&state=…

The last address is the proof: a small server on 127.0.0.1 receives it, or a person pastes it from
the address bar of a browser on another machine. Both are checked alike. `state` ties the answer to
this sign-in, and PKCE the code to whoever began it.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

import yarl
from aiohttp import web
from msgspec import Struct
from typing_extensions import override

from upstream.login.exchange import AuthorizationCode
from upstream.login.issuer import LoginError, LoginIssuer

CALLBACK_PORT = 1455  # the only one that Codex's client is registered with
LIFE_SECONDS = 900.0
_CALLBACK_PATH = "/auth/callback"
_AUTHORIZE_PATH = "/oauth/authorize"
_SCOPE = "openid profile email offline_access"
_MAX_CHARS = 8192
_DENIED = "The sign-in was denied: run this again, and allow it in the browser."
_REFUSED = "The sign-in was refused: run this again, or without --browser."
_PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Sign-in</title></head>
<body><p>{}</p></body></html>"""


class WrongCallbackError(Exception):
    """An address that is not the answer to this sign-in, with what it lacks; the sign-in goes on."""


class BrowserLogin(Struct, frozen=True):
    """A sign-in by browser that was begun.

    `address` is to be opened in a browser; the rest is for whoever began it.
    """

    address: str
    state: str
    verifier: str
    redirect_uri: str

    @override
    def __repr__(self) -> str:
        """Never show what proves who began it."""
        return "BrowserLogin(…)"


def begin(issuer: LoginIssuer, originator: str, port: int = CALLBACK_PORT) -> BrowserLogin:
    """Return a new sign-in.

    Args:
        issuer: signs in.
        originator: the name under which this program asks.
        port: of this machine, for the browser to come back to.
    """
    verifier, state = secrets.token_urlsafe(64), secrets.token_urlsafe(32)
    digest = hashlib.sha256(verifier.encode()).digest()
    redirect_uri = f"http://localhost:{port}{_CALLBACK_PATH}"
    query = {
        "response_type": "code",
        "client_id": issuer.client_id,
        "redirect_uri": redirect_uri,
        "scope": _SCOPE,
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
        "id_token_add_organizations": "true",
        "codex_cli_simplified_flow": "true",
        "state": state,
        "originator": originator,
    }
    address = yarl.URL(issuer.url(_AUTHORIZE_PATH)).with_query(query)
    return BrowserLogin(str(address), state, verifier, redirect_uri)


def code_in(login: BrowserLogin, callback: str) -> AuthorizationCode:
    """Return the code in the address that a browser was sent back to.

    Raises:
        WrongCallbackError: it is no such address, or of another sign-in.
        LoginError: it says that the sign-in was denied.
    """
    try:
        query = yarl.URL(callback.strip()[:_MAX_CHARS]).query
    except ValueError:
        raise WrongCallbackError("This is no address of a web page.") from None
    state = query.get("state", "")
    if not state:
        example = f"{login.redirect_uri}?code=…&state=…"
        message = f"This is not the address that the browser was sent to at the end: {example}"
        raise WrongCallbackError(message)
    if not hmac.compare_digest(state.encode(), login.state.encode()):
        raise WrongCallbackError("This address is of another sign-in: open the address above.")
    if error := query.get("error"):
        raise LoginError(_DENIED if error == "access_denied" else _REFUSED)
    code = query.get("code", "")
    if not code:
        raise WrongCallbackError("There is no code in this address.")
    return AuthorizationCode(code, login.verifier, login.redirect_uri)


@asynccontextmanager
async def callback_server(
    login: BrowserLogin, on_callback: Callable[[AuthorizationCode | LoginError], None]
) -> AsyncIterator[None]:
    """Wait on this machine alone for the browser to come back, for the block.

    Args:
        login: that the browser was sent away with.
        on_callback: told the code, or that the sign-in was denied; a request with the address of
            another sign-in is refused, and the wait goes on.

    Raises:
        OSError: another program listens there.
    """

    async def receive(request: web.Request) -> web.Response:
        try:
            code = code_in(login, str(request.url))
        except WrongCallbackError:
            return _page(HTTPStatus.BAD_REQUEST, "This is not the sign-in that is waited for.")
        except LoginError as error:
            on_callback(error)
            return _page(HTTPStatus.OK, "The sign-in was denied. You can close this page.")
        on_callback(code)
        return _page(HTTPStatus.OK, "Signed in. You can close this page.")

    app = web.Application()
    app.router.add_get(_CALLBACK_PATH, receive)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", yarl.URL(login.redirect_uri).port).start()
        yield
    finally:
        await runner.cleanup()


def _page(status: HTTPStatus, words: str) -> web.Response:
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    text = _PAGE.format(words)
    return web.Response(status=status, text=text, content_type="text/html", headers=headers)
