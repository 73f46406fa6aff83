"""The demo's login on a socket, and what calls it."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession

from service.settings.config import TokensConfig
from tests.upstream.login.choosing import Choose
from upstream.login.issuer import LoginIssuer


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


@pytest.fixture
def issuer(demo: str, session: ClientSession) -> LoginIssuer:
    return LoginIssuer(TokensConfig(codex_url=f"{demo}/oauth/token"), session)


@pytest.fixture
def choose(demo: str, session: ClientSession) -> Choose:
    """Choose who signs in, and how it ends."""

    async def to(**choice: str) -> None:
        async with session.post(f"{demo}/demo/codex/login", json=choice) as response:
            assert response.status == 200

    return to
