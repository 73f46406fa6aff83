"""Rule 51 of openai-wire 11: balance buttons get figures, and no channel is disabled by them."""

import math
import time

import pytest

from tests.handlers.conftest import Serve
from tests.handlers.scripted import BEARER, Surroundings

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
