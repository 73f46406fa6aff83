"""Agents and their libraries on an account of Codex's login, unmodified: their loops, with true calls."""

from pathlib import Path

import pytest

from tests.clients.clients import CLIENTS, Client
from tests.clients.conftest import Place

pytestmark = pytest.mark.whole


@pytest.mark.parametrize(
    "client",
    [each for each in CLIENTS if each.codex and not each.shares_process],
    ids=lambda client: client.package,
)
def test_a_client_gets_all_it_asks_for(client: Client, place: Place, tmp_path: Path) -> None:
    if not client.is_installed:
        pytest.skip("the clients are not installed")
    assert place.passed(client, tmp_path, client.plan) == [client.plan.features]
