"""Python packages that hold the official SDK below its version 3, unmodified."""

from pathlib import Path

import pytest

from tests.clients.clients import SDK2, Client
from tests.clients.conftest import Place

pytestmark = pytest.mark.whole


@pytest.mark.parametrize("client", SDK2, ids=lambda client: client.package)
def test_a_client_gets_all_it_asks_for(client: Client, place: Place, tmp_path: Path) -> None:
    if not client.is_installed:
        pytest.skip("the clients are not installed")
    assert place.passed(client, tmp_path, client.website) == [client.features]
