"""Programs that write code: aider, Codex's command line and opencode, unmodified."""

from pathlib import Path

import pytest

from tests.clients.clients import CODING, Client
from tests.clients.conftest import Place

pytestmark = pytest.mark.whole


@pytest.mark.parametrize("client", CODING, ids=lambda client: client.package)
def test_a_client_gets_all_it_asks_for(client: Client, place: Place, tmp_path: Path) -> None:
    if not client.is_installed:
        pytest.skip("the clients are not installed")
    accounts = (client.website, client.plan) if client.shares_process else (client.website,)
    assert place.passed(client, tmp_path, *accounts) == [one.features for one in accounts]
