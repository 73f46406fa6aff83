"""Bytes that are no request of the application get the application's own form of answer."""

import asyncio
import json
import logging
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from service import keys
from service.connections import bad_http
from service.observing.metrics import Metrics
from service.program.runner import DrainingRunner, Program
from service.settings.config import Config
from tests.jumping import on_jumping_clock
from tests.rows import each_row
from tests.service.program.gateway_process import GatewayProcess

SECRET = "a-token-of-a-caller"
LONG = f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SECRET}{'x' * 20_000}\r\n\r\n"
MALFORMED = {
    "a header that is too long": LONG,
    "an address that is too long": f"GET /{SECRET}{'x' * 20_000} HTTP/1.1\r\nHost: x\r\n\r\n",
    "words": f"{SECRET} hello\r\n\r\n",
    "TLS": "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    "a header without a name": f"GET / HTTP/1.1\r\n: {SECRET}\r\n\r\n",
    "a header with a control character": f"GET / HTTP/1.1\r\nHost: x\r\nA: \x00{SECRET}\r\n\r\n",
    "two lengths": f"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\nA: {SECRET}\r\n\r\n",
    "a length that is none": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n",
}


class Server:
    def __init__(self, runner: DrainingRunner) -> None:
        self.runner = runner

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(*self.runner.addresses[0][:2])

    async def raw(self, request: str) -> tuple[int, dict[str, str], bytes]:
        """Send bytes; return status, headers and body of the answer that ends the connection."""
        host, port = self.runner.addresses[0][:2]
        return await said_by(host, port, request)


async def said_by(host: str, port: int, request: str) -> tuple[int, dict[str, str], bytes]:
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(request.encode("latin-1"))
    async with asyncio.timeout(20):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): text for name, _, text in (line.partition(": ") for line in lines)}
    return int(first.split()[1]), headers, body


TUNNEL = "CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    async def hello(_request: web.Request) -> web.Response:
        return web.Response(text="hello")

    async def size(request: web.Request) -> web.Response:
        return web.Response(text=str(len(await request.read())))

    async def broken(_request: web.Request) -> web.StreamResponse:
        raise ValueError(SECRET)

    def make_app(_config: Config) -> web.Application:
        app = web.Application()
        app[keys.METRICS] = Metrics()
        app.router.add_get("/", hello)
        app.router.add_get("/broken", broken)
        app.router.add_post("/size", size)
        return app

    async def drain(_app: web.Application, _seconds: float) -> None:
        pass

    runner = DrainingRunner(Program(make_app, drain), Config())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield Server(runner)
    await runner.cleanup()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as running:
        yield running


@pytest.mark.parametrize("name", MALFORMED)
async def test_what_is_not_http_gets_an_error_object_and_quotes_nothing(
    server: Server, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    status, headers, body = await server.raw(MALFORMED[name])
    assert (status, headers["content-type"]) == (400, "application/json")
    error = json.loads(body)["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_request")
    assert headers["x-request-id"].startswith("req_")
    assert SECRET not in body.decode() + caplog.text
    assert "Traceback" not in caplog.text
    (record,) = [one for one in caplog.records if one.name == "gateway.access"]
    assert record.__dict__["request_id"] == headers["x-request-id"]
    text = await server.runner.app[keys.METRICS].exposition()
    assert b'gateway_requests_total{route="malformed",status="400"} 1.0' in text


async def test_the_reasons_tell_callers_what_to_mend(server: Server) -> None:
    said = {}
    for name in ("a header that is too long", "TLS", "words"):
        _, _, body = await server.raw(MALFORMED[name])
        said[name] = json.loads(body)["error"]["message"]
    assert "too long" in said["a header that is too long"]
    assert "TLS" in said["TLS"]


async def test_an_expectation_that_nobody_can_meet_is_an_error_object_as_well(
    server: Server,
) -> None:
    status, headers, body = await server.raw("GET / HTTP/1.1\r\nHost: x\r\nExpect: tea\r\n\r\n")
    assert (status, headers["content-type"]) == (417, "application/json")
    assert json.loads(body)["error"]["message"] == "Expectation Failed."


async def test_a_fault_outside_of_the_handlers_is_logged_and_an_error_object(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    request = "GET /broken HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    status, headers, body = await server.raw(request)
    assert (status, headers["content-type"]) == (500, "application/json")
    assert json.loads(body)["error"]["type"] == "server_error"
    assert SECRET not in body.decode()
    assert "a fault outside of the application" in caplog.text


async def test_a_good_request_is_none_of_its_business(server: Server) -> None:
    request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    status, _, body = await server.raw(request)
    assert (status, body) == (200, b"hello")


@each_row("sent", ["", "G", "GET / HTTP/1.1\r\nHost: x\r\nA: b"])
@on_jumping_clock
async def test_a_head_that_does_not_end_is_given_up(sent: str) -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        async with asyncio.timeout(bad_http.HEAD_SECONDS + 1):
            for byte in sent.encode():
                writer.write(bytes([byte]))
                await asyncio.sleep(0.001)
            assert await reader.read() == b""
        writer.close()
        text = await server.runner.app[keys.METRICS].exposition()
    assert b'gateway_requests_total{route="malformed",status="408"} 1.0' in text


@on_jumping_clock
async def test_a_second_head_that_does_not_end_is_given_up_and_one_that_never_came_is_not() -> None:
    async with serving() as server:
        connections = [await server.connect() for _ in range(2)]
        for reader, writer in connections:
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"hello" in await reader.readuntil(b"hello")
        (slow, slow_writer), (idle, idle_writer) = connections
        slow_writer.write(b"GET / HT")
        async with asyncio.timeout(bad_http.HEAD_SECONDS + 1):
            assert await slow.read() == b""
        idle_writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"hello" in await idle.read()
        for _, writer in connections:
            writer.close()


GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /size HTTP/1.1\r\nHost: x\r\n"
SIZED, CHUNKED = POST + b"Content-Length: 3\r\n\r\n", POST + b"Transfer-Encoding: chunked\r\n\r\n"


@each_row(
    "pieces",
    [
        [GET + b"GET / HT"],
        [GET + GET + b"G"],
        [SIZED + b"abc" + b"GET / HT"],
        [SIZED, b"abc" + b"GET / HT"],
        [SIZED + b"a", b"bc", b"GET / HT"],
        [CHUNKED + b"3\r\nabc\r\n0\r\n\r\nGET / HT"],
        [CHUNKED, b"3\r\nabc\r\n", b"0\r\n\r\n" + b"POST / HTTP/1.1\r\nHo"],
    ],
)
@on_jumping_clock
async def test_a_head_that_begins_behind_a_request_is_given_up_after_the_answer(
    pieces: list[bytes],
) -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.02)
        async with asyncio.timeout(bad_http.HEAD_SECONDS + 1):
            answers = await reader.read()  # to the end of the connection
        writer.close()
    assert answers.count(b"200 OK") == max(1, b"".join(pieces).count(GET))


@each_row(
    "pieces",
    [
        [GET],
        [GET[:20], GET[20:]],
        [GET[:-1], GET[-1:]],
        [GET + GET],
        [GET + b"\r\n"],
        [SIZED + b"abc"],
        [SIZED, b"a", b"bc"],
        [SIZED + b"abc" + GET],
        [CHUNKED + b"3\r\nabc\r\n0\r\n\r\n"],
        [CHUNKED, b"3\r\nabc\r\n0\r\n\r", b"\n"],
    ],
)
@on_jumping_clock
async def test_a_connection_on_which_nothing_has_begun_stays_open(pieces: list[bytes]) -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.02)
        await asyncio.sleep(2 * bad_http.HEAD_SECONDS)
        writer.write(GET.replace(b"Host: x", b"Host: x\r\nConnection: close"))
        async with asyncio.timeout(30):
            assert (await reader.read()).count(b"200 OK") >= 2
        writer.close()


@pytest.mark.whole
async def test_the_rest_of_a_packed_body_that_was_refused_is_not_unpacked(server: Server) -> None:
    bomb = packed(64)
    head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}"
    reader, writer = await asyncio.open_connection(*server.runner.addresses[0][:2])
    writer.write(head.encode() + b"\r\n\r\n" + bomb[:-100])
    async with asyncio.timeout(20):  # otherwise it would wait for the last bytes
        assert b" 405 " in await reader.readuntil(b"\r\n")
        await reader.read()
    writer.close()


def packed(mebibytes: int) -> bytes:
    """Return so many zeros as gzip has them."""
    pack = zlib.compressobj(9, wbits=31)
    return b"".join(pack.compress(bytes(1024 * 1024)) for _ in range(mebibytes)) + pack.flush()


@pytest.mark.whole
async def test_workers_answer_likewise(tmp_path: Path) -> None:
    settings = """
server: {host: 127.0.0.1, port: 0, workers: 2, drain_seconds: 1}
upstream: {base_url: 'http://127.0.0.1:9'}
"""
    (tmp_path / "config.yaml").write_text(settings)
    gateway = GatewayProcess(tmp_path, "-m", "service")
    try:
        address = await asyncio.to_thread(gateway.address)
        host, port = address.removeprefix("http://").split(":")
        status, headers, body = await said_by(host, int(port), LONG)
    finally:
        gateway.close()
    assert (status, headers["content-type"]) == (400, "application/json")
    assert json.loads(body)["error"]["code"] == "invalid_request"
    assert SECRET not in gateway.error


async def test_what_follows_a_tunnel_that_was_not_made_is_no_request(server: Server) -> None:
    status, headers, body = await server.raw(TUNNEL)
    assert (status, headers["connection"]) == (404, "close")
    assert b"hello" not in body
