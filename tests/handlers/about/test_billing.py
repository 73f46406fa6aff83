"""Rule 51 of openai-wire 11: balance buttons get figures, and no channel is disabled by them."""

import math
import time
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from service import keys
from service.turns.key_limits import KeyLimits
from service.vocabulary.credentials import Budgets, Credential
from service.vocabulary.gateway_keys import KeyTerms
from storage.secrets.cipher import Cipher
from storage.secrets.key_file import KeyFile
from tests.handlers.conftest import Serve
from tests.handlers.scripted import BEARER, Surroundings, make_gateway

PLACES = ("/dashboard/billing", "/v1/dashboard/billing")


@pytest.mark.parametrize("place", PLACES)
async def test_rule_51_a_balance_button_shows_figures(serve: Serve, place: str) -> None:
    """The figures that NextChat and one-api compute from the two answers."""
    client = await serve()
    limits = await (await client.get(f"{place}/subscription", headers=BEARER)).json()
    query = {"start_date": "2026-11-01", "end_date": "2026-11-30"}
    spent = await (await client.get(f"{place}/usage", params=query, headers=BEARER)).json()
    assert math.floor(spent["total_usage"]) / 100 == 0
    assert math.floor(limits["hard_limit_usd"] * 100) / 100 > 0
    assert limits["hard_limit_usd"] - spent["total_usage"] / 100 > 0  # else one-api disables it
    assert limits["has_payment_method"] is True
    assert limits["access_until"] > time.time()
    assert not {"error"} & (limits.keys() | spent.keys())


async def test_a_key_with_budgets_shows_the_scarcest_one(
    around: Surroundings, tmp_path: Path
) -> None:
    file = KeyFile(tmp_path / "keys.json", Cipher(b"secret"))
    budgets = Budgets(requests_per_day=1_000, tokens_per_month=200)
    key = file.add(KeyTerms("bot", budgets=budgets), Credential("fk-stored"))
    around.budgets.charge(file.find(key).credential, 150)
    app = make_gateway(around)
    app[keys.GATEWAY_KEYS], app[keys.KEY_LIMITS] = file, KeyLimits()
    bearer = {"Authorization": f"Bearer {key}"}
    async with TestClient(TestServer(app)) as client:
        limits = await (await client.get(f"{PLACES[0]}/subscription", headers=bearer)).json()
        spent = await (await client.get(f"{PLACES[0]}/usage", headers=bearer)).json()
        usage = await (await client.get("/v1/usage", headers=bearer)).json()
    assert (limits["hard_limit_usd"], spent["total_usage"] / 100) == (200, 150)
    month = usage["key"]["tokens_per_month"]
    assert month == {"limit": 200, "used": 150, "renews_at": limits["access_until"]}
    assert usage["key"]["requests_per_day"]["used"] == 0


@pytest.mark.parametrize("path", [f"{place}/usage" for place in PLACES])
async def test_it_needs_a_key_and_asks_nobody_about_it(
    serve: Serve, around: Surroundings, path: str
) -> None:
    client = await serve()
    response = await client.get(path)
    assert response.status == 401
    assert (await response.json())["error"]["code"] == "invalid_api_key"
    assert (await client.get(path, headers={"api-key": "dead"})).status == 200
    assert around.callers == []


async def test_it_moves_under_the_prefix(serve: Serve) -> None:
    client = await serve(server={"api_prefix": "secret"})
    for place in PLACES:
        assert (await client.get(f"{place}/usage", headers=BEARER)).status == 404
        assert (await client.get(f"/secret{place}/usage", headers=BEARER)).status == 200
