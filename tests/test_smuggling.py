"""One request stays one request: with the shipped nginx in front of the gateway, and without.

The gateway's own server runs an application that remembers its requests. Whatever a proxy lets
through, no part of a request may be taken for another request, and the next caller gets the answer
to their own.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientSession, web

from service import keys
from service.observing.metrics import Metrics
from service.program.runner import DrainingRunner, Program
from service.settings.config import Config
from tests.hostile_requests import ALL, WHOLE_BODIES
from tests.nginx_server import running_nginx

SILENCE_SECONDS = 0.5  # after which an answer is complete


class Remembering:
    """The gateway's server with an application that remembers its requests by case."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.seen: list[tuple[str, bytes]] = []  # case and body of each request that arrived whole
        self.address = ("", 0)

    async def answer(self, request: web.Request) -> web.Response:
        case = request.headers.get("X-Case", "none")
        self.paths.append(request.path)
        body = await request.read()
        self.seen.append((case, body))
        return web.Response(text=f"{case} {len(body)}")


@pytest.fixture
async def server() -> AsyncIterator[Remembering]:
    made = Remembering()

    def make_app(_config: Config) -> web.Application:
        app = web.Application()
        app[keys.METRICS] = Metrics()
        app.router.add_route("*", "/{path:.*}", made.answer)
        return app

    async def drain(_app: web.Application, _seconds: float) -> None:
        pass

    runner = DrainingRunner(Program(make_app, drain), Config())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.address = runner.addresses[0][:2]
    yield made
    await runner.cleanup()


async def answers(host: str, port: int, name: str, request: bytes) -> bytes:
    """Send a request under the name of its case, and return everything that comes back."""
    line, end, rest = request.partition(b"\n")
    named = line + end + f"X-Case: {name}\r\n".encode() + rest
    reader, writer = await asyncio.open_connection(host, port)
    got = b""
    with suppress(TimeoutError, ConnectionResetError):
        writer.write(named)
        while True:
            async with asyncio.timeout(SILENCE_SECONDS):
                piece = await reader.read(65536)
            if not piece:
                break
            got += piece
    writer.close()
    return got


async def assert_one_stays_one(host: str, port: int, server: Remembering) -> dict[str, bytes]:
    got = await asyncio.gather(
        *(answers(host, port, name, request) for name, request in ALL.items())
    )
    assert [path for path in server.paths if "smuggled" in path] == []
    for name, answer in zip(ALL, got, strict=True):
        requests = [body for case, body in server.seen if case == name]
        assert len(requests) <= 1, name
        statuses = [line for line in answer.split(b"\r\n") if line.startswith(b"HTTP/")]
        final = [line for line in statuses if b" 100 " not in line]
        # It is answered as one request or refused; a refusal may follow an answer.
        assert len([line for line in final if b" 200 " in line]) == len(requests), (name, final)
        assert len(final) <= 2, (name, final)
    return dict(zip(ALL, got, strict=True))


async def assert_the_next_one_gets_his_own(url: str) -> None:
    async with ClientSession() as session:
        for number in range(20):
            headers = {"X-Case": f"next-{number}"}
            async with session.post(f"{url}/next", data=b"x" * number, headers=headers) as response:
                assert await response.text() == f"next-{number} {number}"


async def test_nothing_is_smuggled_into_the_gateway_itself(server: Remembering) -> None:
    host, port = server.address
    got = await assert_one_stays_one(host, port, server)
    await assert_the_next_one_gets_his_own(f"http://{host}:{port}")
    for name in ("CL.TE", "TE.CL", "two lengths, the last longer", "TE gzip, chunked"):
        assert got[name].startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 ")), got[name]


@pytest.mark.needs_nginx
async def test_nothing_is_smuggled_through_nginx(server: Remembering, tmp_path: Path) -> None:
    host, port = server.address
    with running_nginx(tmp_path, [f"{host}:{port}"]) as address:
        proxy = urlsplit(address)
        assert proxy.hostname
        assert proxy.port
        got = await assert_one_stays_one(proxy.hostname, proxy.port, server)
        await assert_the_next_one_gets_his_own(address)
    assert got["CL.TE"].startswith(b"HTTP/1.1 400 ")
    # A request that nginx lets through arrives as one request with its whole body.
    assert {"GET with a body", "HTTP/1.9", "TE with an underscore"} <= {
        one for one, _ in server.seen
    }
    for case, body in server.seen:
        assert case.startswith("next-") or body in WHOLE_BODIES, (case, body)


def test_there_are_many_cases() -> None:
    assert len(ALL) > 75
