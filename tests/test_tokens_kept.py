"""Two workers, a token service that kills rotated tokens, and a database that takes nothing."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from aiohttp import ClientSession, TCPConnector

from tests.scripted_upstream import DONE, final, scripted_upstream
from tests.service.program.gateway_process import GatewayProcess
from tests.upstream.token_services import FakeTokenService, running_token_service

REFRESH = "refresh-token-of-a-caller"
LIFE_SECONDS = 2.0  # of access tokens; refreshed in the last quarter
LOCKED_SECONDS = 12.0
CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}

pytestmark = pytest.mark.whole


@pytest.fixture
async def fake() -> AsyncIterator[FakeTokenService]:
    async with running_token_service() as service:
        service.is_rotating = service.is_strict = True
        service.life_seconds = LIFE_SECONDS
        yield service


@asynccontextmanager
async def gateway(folder: Path) -> AsyncIterator[str]:
    process = GatewayProcess(folder, "-m", "service")
    try:
        yield await asyncio.to_thread(process.address, 90)
        await asyncio.to_thread(process.stop)
    finally:
        process.close()


async def statuses(address: str, count: int, pause: float = 0.0) -> list[int]:
    """Ask on new connections, so that both workers get some."""
    found = []
    for _ in range(count):
        async with (
            ClientSession(connector=TCPConnector(force_close=True)) as session,
            session.post(
                f"{address}/v1/chat/completions",
                json=CHAT,
                headers={"Authorization": f"Bearer {REFRESH}"},
            ) as response,
        ):
            await response.read()
            found.append(response.status)
        await asyncio.sleep(pause)
    return found


def left_in(journal: Path) -> list[Path]:
    return list(journal.iterdir()) if journal.is_dir() else []


async def test_a_database_that_is_locked_for_twelve_seconds_costs_no_login(
    fake: FakeTokenService, tmp_path: Path
) -> None:
    """Issue 12.7: 8 of 12 later requests were 401, and after a restart all."""
    async with scripted_upstream() as upstream:
        upstream.plays(final("Hi"), DONE)
        settings = {
            "server": {"host": "127.0.0.1", "port": 0, "workers": 2, "drain_seconds": 1},
            "upstream": {"base_url": upstream.url},
            "tokens": {"oaifree_url": f"{fake.url}/refresh"},
        }
        (tmp_path / "config.yaml").write_text(json.dumps(settings))
        async with gateway(tmp_path) as address:
            assert await statuses(address, 6) == [200] * 6
            database = tmp_path / "data" / "state.db"
            with closing(sqlite3.connect(database, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                until = asyncio.get_running_loop().time() + LOCKED_SECONDS
                while asyncio.get_running_loop().time() < until:
                    assert await statuses(address, 2, 0.2) == [200] * 2
            assert await statuses(address, 12, LIFE_SECONDS / 3) == [200] * 12
        async with gateway(tmp_path) as address:
            assert await statuses(address, 4, LIFE_SECONDS / 2) == [200] * 4
    assert len(set(fake.tokens_seen)) == len(fake.tokens_seen)
    assert left_in(tmp_path / "data" / "tokens") == []
