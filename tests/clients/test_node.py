"""Packages for Node, unmodified."""

from pathlib import Path

import pytest

from tests.clients.clients import NODE, Client
from tests.clients.conftest import Place

pytestmark = pytest.mark.whole


@pytest.mark.parametrize("client", NODE, ids=lambda client: client.package)
def test_a_client_gets_all_it_asks_for(client: Client, place: Place, tmp_path: Path) -> None:
    if not client.is_installed:
        pytest.skip("the clients are not installed")
    assert place.passed(client, tmp_path, client.website) == [client.features]
