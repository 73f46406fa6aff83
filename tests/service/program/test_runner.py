"""One process's server, in this process."""

import asyncio
import threading

import aiohttp
import pytest
from aiohttp import web

from service.program.runner import DrainingRunner, Program
from service.settings.config import Config, ServerConfig

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
    (drained, closed) = said
    assert 6 < float(drained.removeprefix("drained for ")) <= 7
    assert closed == "closed"
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(address)


async def test_a_request_on_an_open_connection_is_answered_as_its_last_one(program):
    runner = DrainingRunner(program, CONFIG)
    await listening(runner)
    host, port = runner.addresses[0][:2]
    request = b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: x\r\n\r\n"
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"Connection: close" not in head
    await reader.readexactly(len("work_0 1"))
    stopping = asyncio.create_task(runner.cleanup())
    await asyncio.sleep(0.05)
    writer.write(request)
    answer = await reader.read()  # to the end: it was the last one
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"Connection: close" in answer
    writer.close()
    await stopping


@pytest.mark.whole
async def test_a_connection_that_nothing_is_sent_on_is_closed_when_it_stops(program):
    runner = DrainingRunner(program, CONFIG)
    await listening(runner)
    reader, writer = await asyncio.open_connection(*runner.addresses[0][:2])
    await asyncio.sleep(0.05)
    stopping = asyncio.create_task(runner.cleanup())
    assert await reader.read() == b""
    writer.close()
    await stopping


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
