"""Logins over a real socket: device code, browser, and the token endpoint."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest

from tests.upstream.demo.codex.client import CodexClient, NewClient
from tests.upstream.demo.codex.conftest import Clock
from upstream.demo.codex.accounts import CLIENT_ID
from upstream.demo.codex.login import CODE_SECONDS, KEPT_PENDING, Choice, Logins, _s256

USER_CODE = "/api/accounts/deviceauth/usercode"
DEVICE_TOKEN = "/api/accounts/deviceauth/token"
CALLBACK = "http://localhost:1455/auth/callback"
VERIFIER = "v" * 50


@pytest.fixture
def client(new_client: NewClient) -> CodexClient:
    return new_client("anna")


async def post(client: CodexClient, path: str, **fields: Any) -> tuple[int, dict[str, Any]]:
    async with client.session.post(client.base + path, json=fields) as response:
        return response.status, await response.json()


async def poll(client: CodexClient, begun: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    fields = {name: begun[name] for name in ("device_auth_id", "user_code")}
    return await post(client, DEVICE_TOKEN, **fields)


async def authorize(client: CodexClient, **changes: str) -> tuple[int, dict[str, str]]:
    query = {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": CALLBACK,
        "scope": "openid profile email offline_access",
        "code_challenge": _s256(VERIFIER),
        "code_challenge_method": "S256",
        "state": "s1",
    } | changes
    url = f"{client.base}/oauth/authorize"
    async with client.session.get(url, params=query, allow_redirects=False) as response:
        back = urlsplit(response.headers.get("Location", ""))
        assert not back.netloc or f"http://{back.netloc}{back.path}" == CALLBACK
        return response.status, {name: one[0] for name, one in parse_qs(back.query).items()}


async def test_a_device_is_signed_in_at_the_third_question(client: CodexClient) -> None:
    status, begun = await post(client, USER_CODE, client_id=CLIENT_ID)
    assert (status, begun["interval"]) == (200, "1")
    assert [(await poll(client, begun))[0] for _ in range(2)] == [403, 403]
    status, code = await poll(client, begun)
    assert (status, code["code_challenge"]) == (200, _s256(code["code_verifier"]))
    wanted = {
        "grant_type": "authorization_code",
        "code": code["authorization_code"],
        "code_verifier": code["code_verifier"],
        "redirect_uri": "https://auth.openai.com/deviceauth/callback",
    }
    status, answer = await client.token(as_json=False, **wanted)
    assert status == 200
    identity = jwt.decode(answer["id_token"], options={"verify_signature": False})
    assert identity["email"] == "demo@example.org"
    assert (await client.token(**wanted))[0] == 400, "a code is good once"
    assert (await poll(client, begun))[0] == 400
    assert (await client.stats())["logins"] == 1


@pytest.mark.parametrize(("outcome", "status"), [("denied", 401), ("expired", 410), ("never", 403)])
async def test_a_device_login_can_fail(client: CodexClient, outcome: str, status: int) -> None:
    assert (await post(client, "/demo/codex/login", outcome=outcome))[0] == 200
    _, begun = await post(client, USER_CODE, client_id=CLIENT_ID)
    assert [(await poll(client, begun))[0] for _ in range(3)] == [403, 403, status]


async def test_a_workspace_switches_device_codes_off(client: CodexClient) -> None:
    await post(client, "/demo/codex/login", outcome="off")
    assert (await post(client, USER_CODE, client_id=CLIENT_ID))[0] == 404


async def test_an_outcome_that_is_not_known_is_refused(client: CodexClient) -> None:
    status, answer = await post(client, "/demo/codex/login", outcome="sometimes")
    assert status == 400
    assert "outcome" in answer["detail"]


async def test_a_terse_account_answers_in_the_other_spelling(client: CodexClient) -> None:
    await post(client, "/demo/codex/login", account="terse-anna")
    _, begun = await post(client, USER_CODE, client_id=CLIENT_ID)
    assert begun["interval"] == 1
    assert "usercode" in begun


async def test_a_code_gets_too_old(client: CodexClient, clock: Clock) -> None:
    _, begun = await post(client, USER_CODE, client_id=CLIENT_ID)
    clock.now += CODE_SECONDS
    assert (await poll(client, begun))[0] == 400


async def test_the_page_says_that_there_is_nothing_to_do(client: CodexClient) -> None:
    async with client.session.get(f"{client.base}/codex/device") as response:
        assert response.content_type == "text/html"
        assert "accepted" in await response.text()


async def test_a_browser_is_sent_back_with_a_code(client: CodexClient) -> None:
    await post(client, "/demo/codex/login", account="team-bob")
    status, back = await authorize(client)
    assert (status, back["state"]) == (302, "s1")
    wanted = {
        "grant_type": "authorization_code",
        "code": back["code"],
        "code_verifier": VERIFIER,
        "redirect_uri": CALLBACK,
    }
    status, answer = await client.token(**wanted)
    assert status == 200
    assert answer["refresh_token"].startswith("team-bob~")


@pytest.mark.parametrize(
    "changes", [{"code_verifier": "w" * 50}, {"redirect_uri": "http://localhost:1/auth/callback"}]
)
async def test_a_code_needs_its_verifier_and_its_address(
    client: CodexClient, changes: dict[str, str]
) -> None:
    _, back = await authorize(client)
    right = {"code_verifier": VERIFIER, "redirect_uri": CALLBACK}
    fields = {"grant_type": "authorization_code", "code": back["code"], **right, **changes}
    assert (await client.token(**fields))[0] == 400


async def test_a_denied_browser_login_says_so(client: CodexClient) -> None:
    await post(client, "/demo/codex/login", outcome="denied")
    assert (await authorize(client))[1]["error"] == "access_denied"


@pytest.mark.parametrize(
    "changes",
    [{"client_id": "x"}, {"code_challenge_method": "plain"}, {"redirect_uri": "https://x.example"}],
)
async def test_a_wrong_authorize_address_is_not_redirected(
    client: CodexClient, changes: dict[str, str]
) -> None:
    assert (await authorize(client, **changes))[0] == 400


@pytest.mark.parametrize("as_json", [True, False])
async def test_tokens_are_exchanged_by_form_and_by_json(client: CodexClient, as_json: bool) -> None:
    status, answer = await client.token(
        as_json=as_json, grant_type="refresh_token", refresh_token="anna"
    )
    assert (status, answer["token_type"]) == (200, "Bearer")
    stats = await client.stats()
    assert stats["tokens_by_json" if as_json else "tokens_by_form"] == stats["exchanges"] == 1


@pytest.mark.parametrize(
    ("name", "status"), [("busy-1", 429), ("down-1", 500), ("html-1", 503), ("expired-1", 401)]
)
async def test_words_of_a_name_choose_a_fault(client: CodexClient, name: str, status: int) -> None:
    assert (await client.token(grant_type="refresh_token", refresh_token=name))[0] == status


async def test_other_clients_are_left_to_others(client: CodexClient) -> None:
    other = {"client_id": "ios", "grant_type": "refresh_token"}
    status, answer = await client.token(**other, refresh_token="anna")
    assert (status, answer["access_token"]) == (200, "of another client")
    own = (await client.exchange())["refresh_token"]
    assert (await client.token(**other, refresh_token=own))[0] == 401


async def test_a_revoked_login_is_over(anna: CodexClient) -> None:
    await post(anna, "/oauth/revoke", token=anna.refresh_token, client_id=CLIENT_ID)
    assert (await anna.ask("hello")).status == 401
    fields = {"grant_type": "refresh_token", "refresh_token": anna.refresh_token}
    status, answer = await anna.token(**fields)
    assert (status, answer["error"]["code"]) == (401, "refresh_token_invalidated")


async def test_all_access_tokens_end_at_once(anna: CodexClient) -> None:
    await post(anna, "/demo/codex/expire")
    answer = await anna.ask("hello")
    assert (answer.status, answer.json["error"]["code"]) == (401, "token_expired")
    assert answer.json["status"] == 401
    await anna.exchange()
    assert (await anna.ask("hello")).status == 200


def test_logins_under_way_are_bounded(clock: Clock) -> None:
    logins = Logins(Choice(), "1", clock)
    for number in range(KEPT_PENDING + 1):
        logins.add(str(number))
    assert logins.find("0") is None
    assert logins.find(str(KEPT_PENDING)) is not None
