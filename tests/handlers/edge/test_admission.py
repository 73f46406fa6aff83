"""Admission: limits on all requests, and gateway keys."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from service import keys
from service.turns.key_limits import KeyLimits
from service.turns.model_permissions import PermittedTurns
from service.vocabulary.credentials import Credential
from service.vocabulary.gateway_keys import KeyTerms, new_key
from storage.secrets.cipher import Cipher
from storage.secrets.key_file import KeyFile
from tests.gateway import until
from tests.handlers.conftest import Serve
from tests.handlers.scripted import BEARER, Surroundings, make_gateway, says

CHAT = "/v1/chat/completions"
BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}
STORED = Credential("fk-the-token-that-is-stored", "team-1")


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "keys.json", Cipher(b"secret"))


@pytest.fixture
async def client(around: Surroundings, file: KeyFile):
    """A gateway with gateway keys."""
    app = make_gateway(around)
    app[keys.GATEWAY_KEYS] = file
    app[keys.KEY_LIMITS] = KeyLimits()
    app[keys.TURNS] = PermittedTurns(app[keys.TURNS])
    async with TestClient(TestServer(app)) as client:
        yield client


async def error_of(response: Any, status: int) -> dict[str, Any]:
    assert response.status == status
    error: dict[str, Any] = (await response.json())["error"]
    return error


# --- all requests ----------------------------------------------------------------------


async def test_over_the_limit_of_all_requests_it_is_a_503_to_be_tried_again(
    serve: Serve, around: Surroundings
) -> None:
    go_on = asyncio.Event()
    around.turns.script = [*says("Hello"), go_on][::-1]
    client = await serve(server={"max_requests": 2})
    asked = [asyncio.ensure_future(client.post(CHAT, json=BODY, headers=BEARER)) for _ in range(2)]
    await until(lambda: len(around.turns.requests) == 2)
    for method, path in (("POST", CHAT), ("GET", "/v1/models"), ("GET", "/nothing")):
        response = await client.request(method, path, json=BODY, headers=BEARER)
        error = await error_of(response, 503)
        assert (error["type"], error["code"]) == ("server_error", "server_overloaded")
        assert response.headers["Retry-After"] == "5"
    for path in ("/healthz", "/readyz", "/metrics"):
        assert (await client.get(path)).status == 200
    preflight = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    assert (await client.options(CHAT, headers=preflight)).status == 204
    go_on.set()
    for one in asked:
        await (await one).read()
    assert (await client.get("/v1/models")).status == 200


async def test_a_caller_that_leaves_makes_room(serve: Serve, around: Surroundings) -> None:
    around.turns.script = [60.0]
    client = await serve(server={"max_requests": 1})
    asked = asyncio.ensure_future(client.post(CHAT, json=BODY, headers=BEARER))
    await until(lambda: around.turns.requests)
    assert (await client.get("/v1/models")).status == 503
    asked.cancel()
    await until(around.turns.closed.is_set)
    assert (await client.get("/v1/models")).status == 200


async def test_0_is_no_limit(serve: Serve) -> None:
    client = await serve(server={"max_requests": 0})
    assert (await client.get("/v1/models")).status == 200


# --- gateway keys ------------------------------------------------------------------------


async def test_without_a_file_of_keys_one_is_a_credential_like_any_other(
    serve: Serve, around: Surroundings
) -> None:
    key = new_key()
    response = await (await serve()).post(CHAT, json=BODY, headers=bearer(key))
    assert response.status == 200
    assert around.turns.requests[0][1] == Credential(key)


@pytest.mark.parametrize("sent_as", ["Authorization", "api-key"])
async def test_a_turn_has_the_credential_that_is_stored(
    client: TestClient, file: KeyFile, around: Surroundings, sent_as: str
) -> None:
    key = file.add(KeyTerms("bot"), STORED)
    headers = {sent_as: key if sent_as == "api-key" else f"Bearer {key}"}
    assert (await client.post(CHAT, json=BODY, headers=headers)).status == 200
    credential = around.turns.requests[0][1]
    assert (credential.token, credential.account_id) == (STORED.token, "team-1")
    assert credential.owner != STORED.owner


async def test_credentials_of_callers_go_on_working(
    client: TestClient, around: Surroundings
) -> None:
    assert (await client.post(CHAT, json=BODY, headers=bearer("fk-a,acc"))).status == 200
    assert around.turns.requests[0][1] == Credential("fk-a", "acc")
    assert (await client.get("/v1/models")).status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", CHAT),
        ("POST", "/v1/responses"),
        ("POST", "/v1/images/generations"),
        ("GET", "/v1/models"),
        ("GET", "/v1/files"),
        ("GET", "/v1/responses/resp_x"),
        ("POST", "/getAccountID"),
        ("GET", "/v1/dashboard/billing/usage"),
    ],
)
async def test_an_unknown_or_revoked_key_is_a_401_everywhere(
    client: TestClient, file: KeyFile, around: Surroundings, method: str, path: str
) -> None:
    revoked = file.add(KeyTerms("bot"), STORED)
    file.revoke("bot")
    for key in (revoked, new_key(), "sk-gw-nonsense"):
        response = await client.request(method, path, json=BODY, headers=bearer(key))
        error = await error_of(response, 401)
        assert error["code"] == "invalid_api_key"
        assert key not in str(error)
    assert around.turns.requests == []
    assert around.callers == []


async def test_a_key_cannot_be_used_for_another_account(client: TestClient, file: KeyFile) -> None:
    key = file.add(KeyTerms("bot"), STORED)
    for headers in (bearer(f"{key},team-2"), bearer(key) | {"ChatGPT-Account-ID": "team-2"}):
        error = await error_of(await client.post(CHAT, json=BODY, headers=headers), 403)
        assert (error["type"], error["code"]) == ("permission_error", "permission_error")
        assert "team-1" not in error["message"]
    assert (await client.post(CHAT, json=BODY, headers=bearer(f"{key},team-1"))).status == 200
    without = file.add(KeyTerms("other"), Credential("fk-b"))
    headers = bearer(f"{without},team-1")
    await error_of(await client.post(CHAT, json=BODY, headers=headers), 403)


async def test_the_accounts_behind_a_key_are_not_told(client: TestClient, file: KeyFile) -> None:
    key = file.add(KeyTerms("bot"), STORED)
    await error_of(await client.post("/getAccountID", headers=bearer(key)), 403)


async def test_a_key_for_some_models_lists_and_uses_those_only(
    client: TestClient, file: KeyFile
) -> None:
    key = file.add(KeyTerms("bot", models=("gpt-4o",)), STORED)
    listed = await (await client.get("/v1/models", headers=bearer(key))).json()
    assert [entry["id"] for entry in listed["data"]] == ["gpt-4o"]
    assert (await client.get("/v1/models/org/model", headers=bearer(key))).status == 404
    assert (await client.post(CHAT, json=BODY, headers=bearer(key))).status == 200
    for path, body in (
        (CHAT, {**BODY, "model": "org/model"}),
        (CHAT, {**BODY, "model": "org/model", "stream": True}),
        ("/v1/completions", {"model": "org/model", "prompt": "Hello"}),
        ("/v1/responses", {"model": "org/model", "input": "Hello", "store": False}),
        ("/v1/images/generations", {"model": "gpt-4-mobile", "prompt": "boats"}),
    ):
        error = await error_of(await client.post(path, json=body, headers=bearer(key)), 404)
        assert error["code"] == "model_not_found", path


async def test_over_its_limits_a_key_is_told_when_to_come_back(
    client: TestClient, file: KeyFile
) -> None:
    key = file.add(KeyTerms("bot", requests_per_minute=2), STORED)
    assert [(await client.get("/v1/models", headers=bearer(key))).status for _ in range(2)] == [
        200,
        200,
    ]
    response = await client.post(CHAT, json=BODY, headers=bearer(key))
    error = await error_of(response, 429)
    assert (error["type"], error["code"]) == ("rate_limit_error", "rate_limit_exceeded")
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    assert (await client.post(CHAT, json=BODY, headers=BEARER)).status == 200


async def test_a_file_that_cannot_be_read_is_not_the_key_s_fault(
    client: TestClient, file: KeyFile, tmp_path: Path
) -> None:
    key = file.add(KeyTerms("bot"), STORED)
    (tmp_path / "keys.json").write_text("{")
    await error_of(await client.post(CHAT, json=BODY, headers=bearer(key)), 500)
    assert (await client.post(CHAT, json=BODY, headers=BEARER)).status == 200


async def test_the_log_names_the_key_by_its_id(
    client: TestClient, file: KeyFile, caplog: pytest.LogCaptureFixture
) -> None:
    key = file.add(KeyTerms("bot"), STORED)
    with caplog.at_level("INFO", "gateway.access"):
        await client.post(CHAT, json=BODY, headers=bearer(key))
    [record] = [one for one in caplog.records if one.name == "gateway.access"]
    assert record.key == key[6:14]
    assert key[14:] not in str(vars(record))
