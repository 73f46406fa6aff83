"""A code to tokens, and tokens ended."""

import jwt
import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from service.settings.config import TokensConfig
from tests.upstream.login.choosing import Choose
from tests.upstream.token_services import KEY
from upstream.login.device_code import DeviceLogin
from upstream.login.exchange import AuthorizationCode, SignedIn, redeem, revoke
from upstream.login.issuer import LoginError, LoginIssuer, UnreachableError
from upstream.tokens.codex import CodexWire
from upstream.tokens.service import TokenRefusedError, TokenService

CODE = AuthorizationCode("a-code", "a-verifier", "http://localhost:1/deviceauth/callback")


async def signed_in(issuer: LoginIssuer) -> SignedIn:
    async def sleep(_seconds: float) -> None:
        return

    login = DeviceLogin(issuer, lambda: 0.0, sleep)
    return await redeem(issuer, await login.wait(await login.begin(), [].append))


async def test_tokens_say_whose_they_are(issuer: LoginIssuer, choose: Choose) -> None:
    await choose(account="pro-fedramp-anna")
    found = await signed_in(issuer)
    assert found.email == "pro-fedramp-anna@example.org"
    assert (found.account.plan, found.account.is_fedramp) == ("pro", True)
    assert found.account.account_id
    assert found.user_id.startswith("user-")
    assert found.grant.refresh_token == found.refresh_token
    shown = repr(found)
    assert found.refresh_token not in shown
    assert found.email not in shown


async def test_the_code_is_sent_as_a_form(issuer: LoginIssuer, demo: str, session) -> None:
    await signed_in(issuer)
    async with session.get(f"{demo}/demo/codex/stats") as response:
        stats = await response.json()
    assert stats["tokens_by_form"] == 1


async def test_a_login_that_is_revoked_exchanges_nothing_more(
    demo: str, issuer: LoginIssuer, session: ClientSession
) -> None:
    token = (await signed_in(issuer)).refresh_token
    wire = CodexWire(TokensConfig(codex_url=f"{demo}/oauth/token"))
    service = TokenService(session, lambda: 0.0, 0.01)
    last = (await service.exchange(wire, token)).refresh_token or ""
    await revoke(issuer, last)
    with pytest.raises(TokenRefusedError, match="refresh_token_invalidated"):
        await service.exchange(wire, last)
    await revoke(issuer, last)  # once more is no error


async def test_a_wrong_code_is_a_sentence_without_it(issuer: LoginIssuer) -> None:
    with pytest.raises(LoginError, match=r"status 400 \(invalid_grant\): sign in again") as caught:
        await redeem(issuer, CODE)
    assert "a-code" not in str(caught.value)


async def served(answer: web.Response, session: ClientSession) -> SignedIn:
    async def handle(_request: web.Request) -> web.Response:
        return answer

    app = web.Application()
    app.router.add_post("/{tail:.*}", handle)
    async with TestServer(app) as server:
        issuer = LoginIssuer(TokensConfig(codex_url=str(server.make_url("/oauth/token"))), session)
        if answer.status >= 500:
            await revoke(issuer, "a-refresh-token")
        return await redeem(issuer, CODE, lambda: 1000.0)


@pytest.mark.parametrize(
    "fields",
    [
        {"access_token": "a"},  # nothing to go on with
        {"refresh_token": "r"},
        {"access_token": ["a"], "refresh_token": "r"},
        {"access_token": "a", "refresh_token": "r\n"},
    ],
)
async def test_half_the_tokens_sign_nobody_in(fields: dict[str, object], session) -> None:
    with pytest.raises(LoginError, match="gave no tokens"):
        await served(web.json_response(fields), session)


async def test_tokens_that_say_nothing_sign_somebody_in(session: ClientSession) -> None:
    fields = {"access_token": "opaque", "refresh_token": "r", "expires_in": "60", "id_token": "x"}
    found = await served(web.json_response(fields), session)
    assert (found.email, found.user_id, found.account.plan) == ("", "", "")
    assert found.grant.expires_at == 1060


async def test_claims_of_other_kinds_are_none(session: ClientSession) -> None:
    claims = {"email": "a\x1b[31m@b", "sub": 7, "https://api.openai.com/auth": {"user_id": ["u"]}}
    fields = {
        "access_token": "opaque",
        "refresh_token": "r",
        "id_token": jwt.encode({**claims, "sub": "auth0|1"}, KEY),
    }
    found = await served(web.json_response(fields), session)
    assert (found.email, found.user_id) == ("", "auth0|1")


async def test_a_service_out_of_order_ends_no_login(session: ClientSession) -> None:
    with pytest.raises(LoginError, match="did not end the login") as caught:
        await served(web.Response(status=503), session)
    assert "a-refresh-token" not in str(caught.value)


async def test_out_of_reach_is_told_apart(session: ClientSession) -> None:
    issuer = LoginIssuer(TokensConfig(codex_url="http://127.0.0.1:1/oauth/token"), session)
    with pytest.raises(UnreachableError):
        await revoke(issuer, "r")
