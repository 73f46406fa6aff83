"""A gateway that is killed while it stores a file shows nothing of it afterwards (spec 9)."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession, web
from typing_extensions import override

from tests.gateway import until
from tests.scripted_upstream import DONE, ScriptedUpstream, final
from tests.service.program.gateway_process import GatewayProcess

FIRST_PART = b"half of a file\n" * 100_000
WAITING_SECONDS = 40


class SlowFiles(ScriptedUpstream):
    """An upstream whose files never end."""

    @override
    def app(self) -> web.Application:
        app = super().app()
        app.router.add_get("/backend-api/conversation/c1/interpreter/download", self._link)
        app.router.add_get("/slow.csv", self._file)
        return app

    async def _link(self, request: web.Request) -> web.Response:
        link = f"http://{request.host}/slow.csv"
        return web.json_response({"status": "success", "download_url": link})

    async def _file(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/csv"})
        await response.prepare(request)
        await response.write(FIRST_PART)
        await asyncio.sleep(3600)
        return response


@pytest.fixture
async def upstream() -> AsyncIterator[str]:
    slow = SlowFiles()
    slow.plays(final("[report](sandbox:/mnt/data/report.csv)"), DONE)
    runner = web.AppRunner(slow.app(), handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
def start() -> Iterator[list[GatewayProcess]]:
    """Return the gateways that were started, in order."""
    started: list[GatewayProcess] = []
    yield started
    for one in started:
        one.close()


async def begin(started: list[GatewayProcess], folder: Path, upstream: str) -> str:
    """Start a gateway and return its address."""
    environ = {"GATEWAY_SERVER__HOST": "127.0.0.1", "GATEWAY_SERVER__PORT": "0"}
    environ["GATEWAY_UPSTREAM__BASE_URL"] = upstream
    started.append(GatewayProcess(folder, "-m", "service", **environ))
    return await asyncio.to_thread(started[-1].address)


async def ask(address: str) -> None:
    """Ask for the file until the gateway is gone."""
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "A file, please"}]}
    headers = {"Authorization": "Bearer fk-killed"}
    async with ClientSession(headers=headers) as session:
        with pytest.raises(ClientError):
            async with session.post(f"{address}/v1/chat/completions", json=body):
                pass


async def status_of(address: str, path: str) -> int:
    async with ClientSession() as session, session.get(f"{address}{path}") as response:
        return response.status


def stored(folder: Path) -> list[Path]:
    return sorted((folder / "data" / "files").glob("*"))


@pytest.mark.whole
async def test_a_gateway_killed_during_a_download_shows_no_half_of_it_and_clears_it_up(
    tmp_path: Path, upstream: str, start: list[GatewayProcess]
) -> None:
    address = await begin(start, tmp_path, upstream)
    async with asyncio.TaskGroup() as group:
        group.create_task(ask(address))
        await until(lambda: any(path.stat().st_size for path in stored(tmp_path)), WAITING_SECONDS)
        await asyncio.to_thread(start[-1].stop, signal.SIGKILL)
    (left,) = stored(tmp_path)
    assert left.name.startswith(".")
    stem = left.name.removeprefix(".").removesuffix(".part")

    address = await begin(start, tmp_path, upstream)
    for name in (left.name, stem, f"{stem}.csv", f"{stem}.part"):
        assert await status_of(address, f"/files/{name}") == 404
    assert stored(tmp_path) == [left], "it may still be written by another process"
    await asyncio.to_thread(start[-1].stop)

    long_ago = time.time() - 2 * 3600
    os.utime(left, (long_ago, long_ago))
    await begin(start, tmp_path, upstream)
    await until(lambda: stored(tmp_path) == [], WAITING_SECONDS)
