"""Signing in by a browser that comes back to this machine."""

import socket

import pytest
import yarl
from aiohttp import ClientSession

from tests.upstream.login.choosing import Choose
from upstream.login import browser
from upstream.login.browser import BrowserLogin, WrongCallbackError, callback_server, code_in
from upstream.login.exchange import AuthorizationCode, redeem
from upstream.login.issuer import LoginError, LoginIssuer


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def login(issuer: LoginIssuer, port: int) -> BrowserLogin:
    return browser.begin(issuer, "backend-to-v1", port)


async def sent_back(login: BrowserLogin, session: ClientSession) -> str:
    """Return where the issuer sends the browser."""
    async with session.get(login.address, allow_redirects=False) as response:
        assert response.status == 302
        return response.headers["Location"]


def test_the_address_has_all_that_the_issuer_asks_for(issuer: LoginIssuer) -> None:
    login = browser.begin(issuer, "backend-to-v1")
    query = yarl.URL(login.address).query
    assert login.redirect_uri == "http://localhost:1455/auth/callback"
    assert query["redirect_uri"] == login.redirect_uri
    assert query["client_id"] == "app_EMoamEEZ73f0CkXaXp7hrann"
    assert query["scope"] == "openid profile email offline_access"
    assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
    assert (query["id_token_add_organizations"], query["codex_cli_simplified_flow"]) == (
        "true",
        "true",
    )
    assert query["originator"] == "backend-to-v1"
    assert query["state"] == login.state
    assert login.verifier not in login.address
    assert login.verifier not in repr(login)
    other = browser.begin(issuer, "backend-to-v1")
    assert {login.state, login.verifier}.isdisjoint({other.state, other.verifier})


async def test_the_browser_comes_back_and_its_code_is_exchanged(
    login: BrowserLogin, issuer: LoginIssuer, session: ClientSession, choose: Choose
) -> None:
    await choose(account="team-bo")
    came: list[AuthorizationCode | LoginError] = []
    async with callback_server(login, came.append), session.get(login.address) as response:
        assert response.status == 200
        assert "Signed in" in await response.text()
        assert response.headers["Cache-Control"] == "no-store"
    (code,) = came
    assert isinstance(code, AuthorizationCode)
    signed_in = await redeem(issuer, code)
    assert (signed_in.email, signed_in.account.plan) == ("team-bo@example.org", "team")


async def test_a_pasted_address_is_checked_alike(
    login: BrowserLogin, issuer: LoginIssuer, session: ClientSession
) -> None:
    callback = await sent_back(login, session)
    assert (await redeem(issuer, code_in(login, f"  {callback}\n"))).refresh_token


async def test_what_comes_from_elsewhere_is_sent_away_and_the_right_one_waited_for(
    login: BrowserLogin, session: ClientSession
) -> None:
    callback = yarl.URL(await sent_back(login, session))
    came: list[AuthorizationCode | LoginError] = []
    async with callback_server(login, came.append):
        for wrong in (
            callback.update_query(state="of another sign-in"),
            callback.update_query(state="of another", error="access_denied"),
            callback.without_query_params("state"),
            callback.without_query_params("code"),
        ):
            async with session.get(wrong) as response:
                assert response.status == 400
        assert came == []
        async with session.get(callback) as response:
            assert response.status == 200
    assert len(came) == 1


@pytest.mark.parametrize(
    ("pasted", "told"),
    [
        ("", "not the address that the browser was sent to"),
        ("yes", "not the address"),
        ("http://[", "no address of a web page"),
        ("http://localhost:1455/auth/callback?code=c", "not the address"),
        ("http://localhost:1455/auth/callback?code=c&state=ä", "of another sign-in"),
    ],
)
def test_what_is_no_answer_to_this_sign_in_is_named(
    login: BrowserLogin, pasted: str, told: str
) -> None:
    with pytest.raises(WrongCallbackError, match=told):
        code_in(login, pasted)


async def test_a_denied_sign_in_says_so_on_the_page_and_here(
    login: BrowserLogin, session: ClientSession, choose: Choose
) -> None:
    await choose(outcome="denied")
    came: list[AuthorizationCode | LoginError] = []
    async with callback_server(login, came.append), session.get(login.address) as response:
        assert "denied" in await response.text()
    (error,) = came
    assert isinstance(error, LoginError)
    assert "run this again" in str(error)
    other = f"{login.redirect_uri}?error=server_error&state={login.state}"
    with pytest.raises(LoginError, match="refused"):
        code_in(login, other)


async def test_it_listens_on_this_machine_alone_and_says_where_it_cannot(
    login: BrowserLogin, port: int
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with pytest.raises(OSError, match="address"):
            async with callback_server(login, [].append):
                pass
    async with callback_server(login, [].append):
        with socket.socket() as other, pytest.raises(OSError, match="refused"):
            other.connect(("127.0.0.2", port))  # also this machine, not that address
