"""One process's server, in this process."""

import asyncio
import threading

import aiohttp
import pytest
from aiohttp import web

from service.config import Config, ServerConfig
from service.runner import DrainingRunner, Program

CONFIG = Config(server=ServerConfig(threads=2, drain_seconds=7))


@pytest.fixture
def said():
    return []


@pytest.fixture
def program(said):
    async def hello(request: web.Request) -> web.Response:
        thread = await asyncio.get_running_loop().run_in_executor(None, threading.current_thread)
        return web.Response(text=f"{thread.name} {len(request.headers['Authorization'])}")

    def make_app(_config: Config) -> web.Application:
        app = web.Application()
        app.router.add_get("/", hello)

        async def closed(_app: web.Application) -> None:
            said.append("closed")

        app.on_cleanup.append(closed)
        return app

    async def drain(_app: web.Application, seconds: float) -> None:
        said.append(f"drained for {seconds}")

    return Program(make_app, drain)


async def listening(runner: DrainingRunner) -> str:
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    return f"http://{host}:{port}/"


async def test_it_drains_before_it_closes_and_no_one_can_connect_then(program, said):
    runner = DrainingRunner(program, CONFIG)
    address = await listening(runner)
    await runner.cleanup()
    assert said == ["drained for 7.0", "closed"]
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(address)


async def test_what_never_listened_is_not_drained(program, said):
    runner = DrainingRunner(program, CONFIG)
    await runner.setup()
    await runner.cleanup()
    assert said == ["closed"]


async def test_the_longest_bearer_fits_and_work_has_threads_of_its_own(program):
    runner = DrainingRunner(program, CONFIG)
    address = await listening(runner)
    token = f"Bearer {'x' * 8192}"
    async with (
        aiohttp.ClientSession() as session,
        session.get(address, headers={"Authorization": token}) as response,
    ):
        assert await response.text() == f"work_0 {len(token)}"
    await runner.cleanup()
