"""The service that signs in."""

import socket

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from service.settings.config import TokensConfig
from upstream.login.issuer import MAX_BODY_BYTES, LoginIssuer, UnreachableError


def issuer_at(url: str, session: ClientSession) -> LoginIssuer:
    return LoginIssuer(TokensConfig(codex_url=url), session)


def test_all_addresses_are_at_the_origin_of_the_token_service(session: ClientSession) -> None:
    issuer = issuer_at("https://login.example.org:8443/some/oauth/token", session)
    assert issuer.origin == "https://login.example.org:8443"
    assert issuer.url("/oauth/revoke") == "https://login.example.org:8443/oauth/revoke"
    assert issuer.token_url == "https://login.example.org:8443/some/oauth/token"


async def test_what_cannot_be_reached_is_one_sentence_with_what_to_do(
    session: ClientSession,
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and not listening
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/oauth/token"
        with pytest.raises(UnreachableError, match="cannot be reached") as caught:
            await issuer_at(url, session).post(url, {"a": "secret-word"})
    assert "check the network and upstream.proxy" in str(caught.value)
    assert "secret-word" not in str(caught.value)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"", b"{" * 100_000, b"x" * MAX_BODY_BYTES * 3])
async def test_whatever_is_no_json_object_has_no_fields(
    session: ClientSession, body: bytes
) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=503, body=body)

    app = web.Application()
    app.router.add_post("/", answer)
    async with TestServer(app) as server:
        url = str(server.make_url("/"))
        found = await issuer_at(url, session).post(url, {})
    assert (found.status, found.fields, found.is_good, found.is_passing) == (503, {}, False, True)
    assert found.text("code") == ""


async def test_fields_are_not_handed_on_to_where_a_redirect_leads(session: ClientSession) -> None:
    seen: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.path)
        raise web.HTTPTemporaryRedirect("/elsewhere")

    app = web.Application()
    app.router.add_post("/{tail:.*}", answer)
    async with TestServer(app) as server:
        url = str(server.make_url("/first"))
        found = await issuer_at(url, session).post(url, {"code": "secret"})
    assert (found.status, seen) == (307, ["/first"])
