"""Gateways of two worker processes each, one on SQLite and one on Redis, and their callers.

async with callers(pairs["redis"].address) as asking:
    await asking.by_worker()               # so that each worker has some of the connections
    await asking.ask_all(token, QUESTION)
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, TCPConnector

from tests.gateway import Answer, read
from tests.redis_server import running_redis
from tests.service.program.gateway_process import GatewayProcess, paused

REQUESTS = 100
STORES = ("sqlite", "redis")
CHAT = "/v1/chat/completions"


class Callers:
    """As many callers as requests, each with a connection that stays open."""

    def __init__(self, address: str, sessions: list[ClientSession]) -> None:
        self.address = address
        self.sessions = sessions

    async def ask_all(self, token: str, body: dict[str, Any], path: str = CHAT) -> list[Answer]:
        """Ask all at once."""
        asking = (self.ask(session, token, body, path) for session in self.sessions)
        return await asyncio.gather(*asking)

    async def ask(
        self, session: ClientSession, token: str, body: dict[str, Any], path: str = CHAT
    ) -> Answer:
        """Ask on one connection."""
        headers = {"Authorization": f"Bearer {token}"}
        async with session.post(f"{self.address}{path}", json=body, headers=headers) as response:
            return await read(response)

    async def by_worker(self) -> dict[int, list[ClientSession]]:
        """Return the connections of each worker, by its process id.

        One of several idle workers may take all connections, so it has to pause for half of them.
        """
        half = len(self.sessions) // 2
        first = [await self._worker_of(session) for session in self.sessions[:half]]
        with paused(first[0]):
            second = [await self._worker_of(session) for session in self.sessions[half:]]
        workers = [*first, *second]
        assert len(set(workers)) == 2, Counter(workers)
        return {
            worker: [
                session for session, at in zip(self.sessions, workers, strict=True) if at == worker
            ]
            for worker in workers
        }

    async def _worker_of(self, session: ClientSession) -> int:
        async with session.get(f"{self.address}/readyz?verbose") as response:
            process: int = (await response.json())["process"]
        return process


@asynccontextmanager
async def callers(address: str, count: int = REQUESTS) -> AsyncIterator[Callers]:
    """Open so many sessions of one connection each."""
    async with AsyncExitStack() as stack:
        sessions = [
            await stack.enter_async_context(ClientSession(connector=TCPConnector(limit=1)))
            for _ in range(count)
        ]
        yield Callers(address, sessions)


@contextmanager
def running_pairs(
    factory: pytest.TempPathFactory, settings: dict[str, Any]
) -> Iterator[dict[str, str]]:
    """Run both gateways for the block; the values are their addresses, by the store they share."""
    with ExitStack() as stack:
        redis = stack.enter_context(running_redis())
        states = {"sqlite": "sqlite:data/state.db", "redis": redis.url}
        started = {}
        for store in STORES:
            folder = factory.mktemp(store)
            write_settings(folder, settings, states[store])
            started[store] = GatewayProcess(folder, "-m", "service")
            stack.callback(started[store].close)
        yield {store: process.address(90) for store, process in started.items()}


def write_settings(folder: Path, settings: dict[str, Any], state: str) -> None:
    """Write the settings of a gateway of two workers into its folder."""
    server = {"host": "127.0.0.1", "port": 0, "workers": 2, "drain_seconds": 1}
    whole = {**settings, "server": server, "storage": {"state": state}}
    (folder / "config.yaml").write_text(json.dumps(whole))
