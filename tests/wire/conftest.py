"""A gateway before the demo, for the rules that clients' own code lays down."""

import pytest

from tests.conftest import StartGateway
from tests.gateway import Gateway


@pytest.fixture
async def gateway(demo: str, start_gateway: StartGateway) -> Gateway:
    return await start_gateway(
        demo, models={"gpt-4o": "gpt-4o", "org/model": "gpt-4o"}, upstream={"retries": 0}
    )
