"""Tokens over a real socket."""

import base64
import json
import time

import pytest

from tests.upstream.demo.conftest import Asker
from tests.upstream.demo.reading import BEARER
from upstream.demo.ground.options import DemoOptions

FORM = "/api/auth/refresh"
OFFICIAL = "/oauth/token"


async def refresh(asker: Asker, token: str, path: str = FORM) -> tuple[int, dict, dict]:
    async with asker.session.post(asker.base + path, data={"refresh_token": token}) as response:
        is_json = response.content_type == "application/json"
        return response.status, await response.json() if is_json else {}, dict(response.headers)


async def me(asker: Asker, token: str, **headers: str) -> tuple[int, dict]:
    url = asker.base + "/backend-api/models"
    bearer = {"Authorization": f"Bearer {token}", **headers}
    async with asker.session.get(url, headers=bearer) as response:
        return response.status, await response.json()


def claims_of(token: str) -> dict:
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


async def test_any_refresh_token_gets_a_jwt(asker: Asker) -> None:
    status, answer, _ = await refresh(asker, "whatever")
    token = answer["access_token"]
    assert status == 200
    assert token.startswith("eyJhb")
    assert claims_of(token)["exp"] == pytest.approx(time.time() + 864_000, abs=5)
    assert claims_of(token)["https://api.openai.com/auth"]["chatgpt_account_id"]
    assert "refresh_token" not in answer
    assert (await me(asker, token))[0] == 200


async def test_the_official_way_takes_json_and_forms(asker: Asker) -> None:
    body = {"grant_type": "refresh_token", "client_id": "x", "refresh_token": "whatever"}
    async with asker.session.post(asker.base + OFFICIAL, json=body) as response:
        first = await response.json()
    _, second, _ = await refresh(asker, "whatever", OFFICIAL)
    assert first["access_token"] != second["access_token"]
    assert (
        claims_of(first["access_token"])["https://api.openai.com/auth"]
        == claims_of(second["access_token"])["https://api.openai.com/auth"]
    )


@pytest.mark.parametrize(
    ("token", "path", "status"),
    [
        ("dead-1", FORM, 401),
        ("dead-1", OFFICIAL, 400),
        ("dead-object", FORM, 401),
        ("busy", FORM, 429),
        ("html", FORM, 503),
        ("", FORM, 401),
    ],
)
async def test_first_letters_choose_a_fault(
    asker: Asker, token: str, path: str, status: int
) -> None:
    assert (await refresh(asker, token, path))[0] == status


async def test_the_error_of_a_dead_token_has_both_shapes(asker: Asker) -> None:
    assert (await refresh(asker, "dead"))[1]["error"] == "invalid_grant"
    assert (await refresh(asker, "dead-object"))[1]["error"]["code"] == "refresh_token_reused"


async def test_an_opaque_token_works(asker: Asker) -> None:
    _, answer, _ = await refresh(asker, "opaque")
    assert not answer["access_token"].startswith("eyJ")
    assert (await me(asker, answer["access_token"]))[0] == 200


@pytest.mark.parametrize(
    ("token", "status"),
    [
        ("fk-1", 200),
        ("pk-1", 200),
        ("eyJhbGciOiJSUzI1NiJ9.not-json.x", 200),
        ("eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjF9.x", 401),
        ("sk-1", 401),
        ("", 401),
    ],
)
async def test_foreign_tokens_are_judged_by_their_looks(
    asker: Asker, token: str, status: int
) -> None:
    assert (await me(asker, token))[0] == status


async def test_it_needs_a_bearer(asker: Asker) -> None:
    url = asker.base + "/backend-api/conversation"
    async with asker.session.post(url, json=asker.body("Hi")) as response:
        assert response.status == 401
        assert await response.json() == {"detail": "Unauthorized"}
    async with asker.session.post(
        asker.base + "/a/prefix/backend-api/conversation", json=asker.body("Hi"), headers=BEARER
    ) as response:
        assert response.status == 200


async def test_revoked_tokens_are_refused(asker: Asker) -> None:
    tokens = [(await refresh(asker, one))[1]["access_token"] for one in ("a", "b")]
    url = asker.base + "/demo/revoke"
    await asker.session.post(url, data={"token": tokens[0]})
    status, answer = await me(asker, tokens[0])
    assert (status, answer["detail"]["code"]) == (401, "token_revoked")
    assert (await me(asker, tokens[1]))[0] == 200
    await asker.session.post(url, json={"all": True})
    assert (await me(asker, tokens[1]))[0] == 401


async def test_slow_exchanges_take_their_time(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("upstream.demo.website.tokens.SLOW_SECONDS", 0.2)
    began = time.monotonic()
    assert (await refresh(asker, "slow"))[0] == 200
    assert time.monotonic() - began >= 0.2


class TestShortLives:
    @pytest.fixture
    def options(self) -> DemoOptions:
        return DemoOptions(access_seconds=0, rotate=True)

    async def test_an_expired_token_says_so(self, asker: Asker) -> None:
        _, answer, _ = await refresh(asker, "a")
        status, refusal = await me(asker, answer["access_token"])
        assert (status, refusal["detail"]["code"]) == (401, "token_expired")

    async def test_a_rotated_token_replaces_the_old_one(self, asker: Asker) -> None:
        _, answer, _ = await refresh(asker, "a")
        status, refusal, _ = await refresh(asker, "a")
        assert (status, refusal["error"]["code"]) == (401, "refresh_token_reused")
        assert (await refresh(asker, answer["refresh_token"]))[0] == 200
