"""Two worker processes and a response in the background: polled, followed, cancelled, killed.

Every call has a connection of its own, so both workers get some; who writes a response is known by
the process id that its turn's connection belongs to, and who answered a poll by `/readyz`.
"""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, TCPConnector

from tests.handlers.background.following import UNFINISHED, without_comments
from tests.redis_server import running_redis
from tests.response_events import check_response, checked, last_response, text_of
from tests.scripted_upstream import DONE, STALL, Pause, ScriptedUpstream, answer, final
from tests.service.program.gateway_process import GatewayProcess, paused

pytestmark = [pytest.mark.whole, pytest.mark.needs_redis]
HEADERS = {"Authorization": "Bearer fk-of-two-workers"}
ASKED = {"model": "gpt-4o", "input": "Hello", "background": True}


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    with running_redis() as server:
        yield server.url


@pytest.fixture(params=["sqlite", "redis"])
def state(request: pytest.FixtureRequest) -> str:
    return "sqlite:data/state.db" if request.param == "sqlite" else request.getfixturevalue("redis")


class Worker:
    """A connection to one of the worker processes, by its process id."""

    def __init__(self, address: str, session: ClientSession, process: int) -> None:
        self.process = process
        self._address = address
        self._session = session

    async def call(self, method: str, path: str = "", **fields: Any) -> Any:
        url = f"{self._address}/v1/responses{path}"
        async with self._session.request(method, url, headers=HEADERS, **fields) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def ended(self, response_id: str) -> Any:
        async with asyncio.timeout(30):
            found = await self.call("GET", f"/{response_id}")
            while found["status"] in UNFINISHED:
                await asyncio.sleep(0.05)
                found = await self.call("GET", f"/{response_id}")
        return found

    async def events(self, response_id: str, query: str = "") -> bytes:
        url = f"{self._address}/v1/responses/{response_id}?stream=true{query}"
        async with self._session.get(url, headers=HEADERS) as response:
            return without_comments(await response.read())

    async def which(self) -> int:
        async with self._session.get(f"{self._address}/readyz?verbose") as response:
            return int((await response.json())["process"])


@asynccontextmanager
async def workers(folder: Path, upstream: str, state: str) -> AsyncIterator[list[Worker]]:
    """Start a gateway of two workers, and return a connection to each."""
    settings = {
        "server": {"host": "127.0.0.1", "port": 0, "workers": 2, "drain_seconds": 1},
        "upstream": {"base_url": upstream},
        "storage": {"state": state},
    }
    (folder / "config.yaml").write_text(json.dumps(settings))
    with ExitStack() as stack:
        gateway = GatewayProcess(folder, "-m", "service")
        stack.callback(gateway.close)
        address = await asyncio.to_thread(gateway.address)
        found: dict[int, Worker] = {}
        sessions = [ClientSession(connector=TCPConnector(limit=1)) for _ in range(2)]
        try:
            first = Worker(address, sessions[0], 0)
            first.process = await first.which()
            with paused(first.process):  # an idle worker may take all connections
                second = Worker(address, sessions[1], 0)
                second.process = await second.which()
            found = {one.process: one for one in (first, second)}
            assert len(found) == 2
            yield list(found.values())
        finally:
            for session in sessions:
                await session.close()


async def test_one_process_writes_and_another_reads(
    scripted: ScriptedUpstream, state: str, tmp_path: Path
) -> None:
    scripted.plays(answer("Hel"), Pause(1), final("Hello wide world"), DONE)
    async with workers(tmp_path, scripted.url, state) as (here, there):
        queued = await here.call("POST", json=ASKED)
        followed = asyncio.ensure_future(there.events(queued["id"]))
        done = await there.ended(queued["id"])
        assert (done["status"], done["usage"]["output_tokens"]) == ("completed", 3)
        assert await here.call("GET", f"/{queued['id']}") == done
        events = checked(await followed)
        assert text_of(events) == "Hello wide world"
        assert last_response(events) == done
        assert await here.events(queued["id"]) == await followed
        rest = await there.events(queued["id"], "&starting_after=2")
        assert (await followed).endswith(rest)
        assert len(scripted.turns) == 1
        assert await here.which() != await there.which()


async def test_a_cancel_reaches_the_process_that_writes(
    scripted: ScriptedUpstream, state: str, tmp_path: Path
) -> None:
    scripted.plays(answer("Hel"), STALL)
    async with workers(tmp_path, scripted.url, state) as (here, there):
        response_id = (await here.call("POST", json=ASKED))["id"]
        await _begun(there, response_id)
        cancelled = await there.call("POST", f"/{response_id}/cancel")
        assert cancelled["status"] == "cancelled"
        async with asyncio.timeout(30):
            await scripted.turns[0].closed.wait()
        assert await here.call("GET", f"/{response_id}") == cancelled


async def test_one_whose_process_was_killed_is_failed(
    scripted: ScriptedUpstream, state: str, tmp_path: Path
) -> None:
    scripted.plays(answer("Hel"), STALL)
    async with workers(tmp_path, scripted.url, state) as (here, there):
        response_id = (await here.call("POST", json=ASKED))["id"]
        await _begun(there, response_id)
        await asyncio.sleep(1)  # so that its first events are kept
        os.kill(here.process, signal.SIGKILL)
        events = checked(await there.events(response_id))
        failed = await there.ended(response_id)
        assert (failed["status"], failed["error"]["code"]) == ("failed", "process_died")
        assert check_response(failed).output_text == "Hel"
        assert text_of(events) == "Hel"
        assert last_response(events) == failed
        assert [event["type"] for event in events[-2:]] == ["response.failed", "error"]


async def _begun(worker: Worker, response_id: str) -> None:
    async with asyncio.timeout(30):
        while True:
            if (await worker.call("GET", f"/{response_id}"))["status"] == "in_progress":
                return
            await asyncio.sleep(0.05)
