"""Data of a gateway of commit 8a0b76d still works: rotated tokens, responses, files, keys.

`tests/data/8a0b76d/` was made by that commit's own code (`make.py` there); its names come from
tokens and account ids as that commit had them.
"""

import asyncio
import base64
import json
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from redis import Redis

from tests.redis_server import RedisServer, running_redis
from tests.scripted_upstream import DONE, ScriptedUpstream, final, scripted_upstream
from tests.service.program.gateway_process import GatewayProcess
from tests.upstream.token_services import FakeTokenService, running_token_service

EARLIER = Path(__file__).parent / "data" / "8a0b76d"
FACTS = json.loads((EARLIER / "facts.json").read_text())
CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}
NAMES = ("plain", "team", "key")

pytestmark = pytest.mark.whole


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with scripted_upstream() as upstream:
        upstream.plays(final("A new answer."), DONE)
        yield upstream


@pytest.fixture
async def service() -> AsyncIterator[FakeTokenService]:
    """Return the token service, for which the caller's own token is dead since its rotation."""
    async with running_token_service() as service:
        service.is_rotating = service.is_strict = True
        service.used_up.add(FACTS["sqlite"]["tokens"]["plain"])
        yield service


def placed(kind: str, folder: Path) -> None:
    """Copy the data into the folder; the rotated tokens in SQLite get a new expiry."""
    shutil.copytree(EARLIER / kind, folder / "data")
    if kind == "sqlite":
        with closing(sqlite3.connect(folder / "data" / "state.db")) as database, database:
            database.execute(
                "UPDATE state SET expires_at = ? WHERE key LIKE 'token:rotated:%'",
                (time.time() + 86_400,),
            )


def loaded(url: str) -> None:
    with Redis.from_url(url) as client:
        client.flushall()
        for key, value in json.loads((EARLIER / "redis.json").read_text()).items():
            if isinstance(value, dict):
                client.hset(key, mapping=value)
            else:
                client.set(key, base64.b64decode(value))


@asynccontextmanager
async def gateway(
    folder: Path, state: str, upstream: ScriptedUpstream, service: FakeTokenService
) -> AsyncIterator[str]:
    settings = {
        "server": {"host": "127.0.0.1", "port": 0, "keys_file": "data/keys.json"},
        "upstream": {"base_url": upstream.url},
        "tokens": {"oaifree_url": f"{service.url}/refresh"},
        "storage": {"state": state},
    }
    (folder / "config.yaml").write_text(json.dumps(settings))
    process = GatewayProcess(folder, "-m", "service")
    try:
        yield await asyncio.to_thread(process.address, 90)
    finally:
        process.close()


class Caller:
    """One of the callers of that time."""

    def __init__(self, session: ClientSession, address: str, token: str) -> None:
        self.session = session
        self.address = address
        self.headers = {"Authorization": f"Bearer {token}"}

    async def get(self, path: str) -> tuple[int, bytes]:
        url = f"{self.address}/v1/{path}"
        async with self.session.get(url, headers=self.headers) as response:
            return response.status, await response.read()

    async def post(self, path: str, body: dict[str, Any]) -> tuple[int, bytes]:
        url = f"{self.address}/v1/{path}"
        async with self.session.post(url, json=body, headers=self.headers) as response:
            return response.status, await response.read()


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("redis", marks=pytest.mark.needs_redis)])
async def test_all_that_was_left_goes_on_working(
    *,
    kind: str,
    tmp_path: Path,
    upstream: ScriptedUpstream,
    service: FakeTokenService,
    request: pytest.FixtureRequest,
) -> None:
    placed(kind, tmp_path)
    state = "sqlite:data/state.db"
    if kind == "redis":
        state = request.getfixturevalue("redis_server").url
        await asyncio.to_thread(loaded, state)
    facts = FACTS[kind]
    async with gateway(tmp_path, state, upstream, service) as address, ClientSession() as session:
        callers = {name: Caller(session, address, facts["tokens"][name]) for name in NAMES}
        for name, caller in callers.items():
            assert (await caller.post("chat/completions", CHAT))[0] == 200, name
        assert service.tokens_seen == [facts["rotated"]]
        for name, caller in callers.items():
            response, file = facts["responses"][name], facts["files"][name]
            status, kept = await caller.get(f"responses/{response}")
            assert (status, b"An answer of 8a0b76d." in kept) == (200, True), name
            status, items = await caller.get(f"responses/{response}/input_items")
            assert (status, f"Hello from {name}".encode() in items) == (200, True), name
            again = {"model": "gpt-4o", "input": "And?", "previous_response_id": response}
            assert (await caller.post("responses", again))[0] == 200, name
            content = f"left by an earlier version: {name}".encode()
            assert await caller.get(f"files/{file}/content") == (200, content), name
            for other in set(NAMES) - {name}:
                assert (await callers[other].get(f"responses/{response}"))[0] == 404
                assert (await callers[other].get(f"files/{file}"))[0] == 404
