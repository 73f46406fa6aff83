"""Two worker processes, one token: exchanged once however many requests wait (spec 4)."""

import asyncio
import hashlib
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, TCPConnector

from tests.demo_process import running_demo_process, stats_of
from tests.redis_server import running_redis
from tests.service.program.gateway_process import GatewayProcess

REQUESTS = 100
# A token of this life is refreshed in its last quarter; the rest is enough for one round.
ACCESS_SECONDS = 8
STORES = ("sqlite", "redis")
CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "6*7"}]}

pytestmark = [pytest.mark.whole, pytest.mark.needs_redis]


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    with running_demo_process("--access-seconds", str(ACCESS_SECONDS)) as address:
        yield address


@pytest.fixture(scope="module")
def gateways(demo: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Return the addresses of two gateways of two workers each, by the store that they share."""
    with ExitStack() as stack:
        redis = stack.enter_context(running_redis())
        states = {"sqlite": "sqlite:data/state.db", "redis": redis.url}
        started = {}
        for store in STORES:
            folder = tmp_path_factory.mktemp(store)
            write_settings(folder, demo, states[store])
            started[store] = GatewayProcess(folder, "-m", "service")
            stack.callback(started[store].close)
        yield {store: process.address() for store, process in started.items()}


def write_settings(folder: Path, demo: str, state: str) -> None:
    settings = {
        "server": {"host": "127.0.0.1", "port": 0, "workers": 2, "drain_seconds": 1},
        "upstream": {"base_url": demo, "queue_per_account": 2 * REQUESTS},
        "tokens": {"oaifree_url": f"{demo}/api/auth/refresh"},
        "storage": {"state": state},
    }
    (folder / "config.yaml").write_text(json.dumps(settings))


class Callers:
    """As many callers as requests, each with a connection that stays open."""

    def __init__(self, address: str, sessions: list[ClientSession]) -> None:
        self.address = address
        self.sessions = sessions

    async def ask_all(self, token: str) -> list[Any]:
        """Ask all at once; return the texts of the answers."""
        return await asyncio.gather(*(self._ask(session, token) for session in self.sessions))

    async def _ask(self, session: ClientSession, token: str) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{self.address}/v1/chat/completions"
        async with session.post(url, json=CHAT, headers=headers) as response:
            reply = await response.json()
            assert response.status == 200, reply
            return reply["choices"][0]["message"]["content"]

    async def by_worker(self) -> Counter[int]:
        """Return how many of the connections each worker has, by its process id.

        One of several idle workers may take all connections, so it has to pause for half of them.
        """
        half = len(self.sessions) // 2
        first = [await self._worker_of(session) for session in self.sessions[:half]]
        os.kill(first[0], signal.SIGSTOP)
        try:
            second = [await self._worker_of(session) for session in self.sessions[half:]]
        finally:
            os.kill(first[0], signal.SIGCONT)
        return Counter([*first, *second])

    async def _worker_of(self, session: ClientSession) -> int:
        async with session.get(f"{self.address}/readyz?verbose") as response:
            process: int = (await response.json())["process"]
        return process


@asynccontextmanager
async def callers(address: str) -> AsyncIterator[Callers]:
    async with AsyncExitStack() as stack:
        sessions = [
            await stack.enter_async_context(ClientSession(connector=TCPConnector(limit=1)))
            for _ in range(REQUESTS)
        ]
        yield Callers(address, sessions)


def refreshes(demo: str, token: str) -> int:
    key = hashlib.sha256(token.encode()).hexdigest()[:8]
    return int(stats_of(demo)["refreshes"]["by_token"].get(key, 0))


async def revoke_all(demo: str) -> None:
    async with (
        ClientSession() as session,
        session.post(f"{demo}/demo/revoke", json={"all": True}) as response,
    ):
        assert response.status == 200


async def test_a_token_is_exchanged_once_for_a_hundred_requests_of_two_workers(
    demo: str, gateways: dict[str, str]
) -> None:
    expected = ["Demo answer: 6*7=42"] * REQUESTS
    async with AsyncExitStack() as stack:
        asking = {
            f"refresh-token-on-{store}": await stack.enter_async_context(callers(gateways[store]))
            for store in STORES
        }
        for one in asking.values():
            shares = await one.by_worker()
            assert sum(shares.values()) == REQUESTS
            assert len(shares) == 2, shares

        for token, one in asking.items():  # the token is new
            assert await one.ask_all(token) == expected
            assert refreshes(demo, token) == 1

        await asyncio.sleep(ACCESS_SECONDS)
        for token, one in asking.items():  # the access token has expired
            assert await one.ask_all(token) == expected
            assert refreshes(demo, token) == 2

        await revoke_all(demo)
        for token, one in asking.items():  # the upstream no longer accepts it
            assert await one.ask_all(token) == expected
            assert refreshes(demo, token) == 3


# After the test above, whose counts are valid until a gateway renews tokens by itself.
@pytest.mark.parametrize("store", STORES)
async def test_an_account_has_three_answers_at_once_over_all_workers(
    demo: str, gateways: dict[str, str], store: str
) -> None:
    account = f"limited-on-{store}"
    headers = {"Authorization": "Bearer fk-anyone", "ChatGPT-Account-ID": account}
    question = CHAT | {"messages": [{"role": "user", "content": "/fault slowbody 0.3"}]}
    url = f"{gateways[store]}/v1/chat/completions"

    async def ask() -> int:
        async with (  # a new connection, so that both workers get some
            ClientSession() as session,
            session.post(url, json=question, headers=headers) as response,
        ):
            return response.status

    assert await asyncio.gather(*(ask() for _ in range(12))) == [200] * 12
    key = hashlib.sha256(account.encode()).hexdigest()[:8]
    assert stats_of(demo)["most_turns_open"][key] == 3
