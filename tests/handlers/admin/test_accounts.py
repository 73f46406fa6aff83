"""Accounts as the operator sees them, and signing in and out."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from service.vocabulary.gateway_keys import Issuer, KeyTerms
from tests.conftest import StartGateway
from tests.handlers.admin.conftest import ADMIN_KEY, ANNA, Operator
from upstream.login import device_code


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The issuer is asked again at once."""
    monkeypatch.setattr(device_code, "_INTERVALS", (0.01, 60.0))


async def over(operator: Operator, sign_in: Any) -> Any:
    """Wait for the end of a sign-in, as the page does."""
    async with asyncio.timeout(20):
        while True:
            _, now = await operator.ask("GET", f"/admin/sign-ins/{sign_in['id']}")
            if now["state"] != "waiting":
                return now
            await asyncio.sleep(0.02)


async def test_accounts_are_listed_with_their_keys_and_masked_addresses(operator: Operator) -> None:
    operator.file.add_for_account(KeyTerms("bot"), ANNA)
    other = structs.replace(ANNA, name="demo", user_id="2", issuer=Issuer.DEMO, created_at=200)
    operator.file.accounts.keep(other, b"{}")
    status, body = await operator.ask("GET", "/admin/accounts")
    assert status == 200
    mine, elsewhere = body["data"]
    assert mine == {
        "object": "account",
        "id": ANNA.id,
        "name": "anna",
        "email": "a***@example.org",
        "plan": "plus",
        "issuer": "openai",
        "state": "signed_in",
        "created_at": 100,
        "keys": ["bot"],
    }
    assert (elsewhere["state"], elsewhere["keys"]) == ("elsewhere", [])


async def test_an_account_signs_in_by_a_code_is_used_and_signs_out(
    operator: Operator, demo: str
) -> None:
    status, begun = await operator.ask("POST", "/admin/sign-ins", json={"name": " home "})
    assert (status, begun["state"], begun["account"]) == (200, "waiting", None)
    assert begun["address"].endswith("/codex/device")
    end = await over(operator, begun)
    account = end["account"]
    assert (end["state"], account["name"], account["state"]) == ("signed_in", "home", "signed_in")
    status, used = await operator.ask("GET", f"/admin/accounts/{account['id']}/usage")
    assert status == 200
    assert {window["window_minutes"] for window in used["windows"]} >= {300, 10080}
    fields = {"name": "phone", "account": account["id"]}
    _, made = await operator.ask("POST", "/admin/keys", json=fields)
    answer = await operator.gateway.chat(token=made["secret"], model="gpt-6-sol")
    assert answer.status == 200, answer.body
    path = f"/admin/accounts/{account['id']}"
    status, gone = await operator.ask("DELETE", f"{path}?revoke_keys=true")
    assert (status, gone["revoked"], gone["deleted"]) == (200, ["phone"], True)
    assert (await operator.gateway.chat(token=made["secret"])).status == 401
    assert await operator.refused("DELETE", path) == (404, "not_found", None)
    async with operator.gateway.session.get(f"{demo}/demo/codex/stats") as response:
        assert (await response.json())["revocations"] == 1


async def test_a_login_that_has_ended_is_told_and_is_no_401(operator: Operator) -> None:
    """A 401 would say that the admin key is wrong."""
    told = await operator.refused("GET", f"/admin/accounts/{ANNA.id}/usage")
    assert told == (400, "signed_out", None)
    _, body = await operator.ask("GET", "/admin/accounts")
    assert [account["state"] for account in body["data"]] == ["over"]


async def test_what_cannot_be_revoked_stays_unless_the_operator_says_so(
    demo: str, start_gateway: StartGateway, operator: Operator
) -> None:
    operator.file.add_for_account(KeyTerms("bot"), ANNA)
    dead = {"codex_url": "http://127.0.0.1:1/oauth/token"}
    server = {"admin_key": ADMIN_KEY}
    cut_off = Operator(await start_gateway(demo, server=server, tokens=dead), operator.file)
    path = f"/admin/accounts/{ANNA.id}"
    status, body = await cut_off.ask("DELETE", path)
    assert (status, "Nothing was removed" in body["error"]["message"]) == (502, True)
    assert operator.file.accounts.find(ANNA.id) == ANNA
    assert (await cut_off.ask("DELETE", f"{path}?keep_tokens=true"))[0] == 200
    assert operator.file.accounts.find(ANNA.id) is None
    assert len(operator.file.listing()) == 1  # its keys were not to be revoked


async def test_a_sign_in_can_be_ended(operator: Operator, demo: str) -> None:
    choice = {"outcome": "never"}
    async with operator.gateway.session.post(f"{demo}/demo/codex/login", json=choice) as response:
        assert response.status == 200
    async with operator.gateway.session.post(
        f"{operator.gateway.url}/admin/sign-ins", headers={"Authorization": f"Bearer {ADMIN_KEY}"}
    ) as response:
        assert response.status == 200  # a body may be left out
        begun = await response.json()
    status, ended = await operator.ask("DELETE", f"/admin/sign-ins/{begun['id']}")
    assert (status, ended["state"]) == (200, "ended")
    assert await operator.refused("GET", "/admin/sign-ins/none") == (404, "not_found", None)


@pytest.mark.parametrize(
    ("method", "path", "body", "told"),
    [
        ("POST", "/admin/sign-ins", {"name": "anna"}, (400, "invalid_request", "name")),
        ("POST", "/admin/sign-ins", {"name": ""}, (400, "invalid_request", "name")),
        ("POST", "/admin/sign-ins", {"name": "a\nb"}, (400, "invalid_request", "name")),
        ("POST", "/admin/sign-ins", {"name": "a" * 65}, (400, "invalid_request", "name")),
        ("POST", "/admin/sign-ins", {"nam": "a"}, (400, "invalid_request", None)),
        ("POST", "/admin/sign-ins", [], (400, "invalid_request", None)),
        (
            "DELETE",
            f"/admin/accounts/{ANNA.id}?keep_tokens=maybe",
            None,
            (400, "invalid_request", "keep_tokens"),
        ),
        ("DELETE", "/admin/accounts/none", None, (404, "not_found", None)),
        ("GET", "/admin/accounts/none/usage", None, (404, "not_found", None)),
    ],
)
async def test_bad_input_is_named(
    operator: Operator, method: str, path: str, body: Any, told: tuple[int, str, str | None]
) -> None:
    assert await operator.refused(method, path, json=body) == told
    assert operator.file.accounts.listing() == [ANNA]


async def test_without_codex_s_upstream_nobody_signs_in(
    demo: str, start_gateway: StartGateway, tmp_path: Path
) -> None:
    gateway = await start_gateway(demo, server={"admin_key": ADMIN_KEY}, codex={"base_url": ""})
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    url = f"{gateway.url}/admin/sign-ins"
    async with gateway.session.post(url, headers=headers, json={}) as response:
        assert response.status == 404
        assert "codex.base_url is empty" in (await response.json())["error"]["message"]
    assert not (tmp_path / "keys.json").exists()
