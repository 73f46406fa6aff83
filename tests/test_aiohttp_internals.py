"""Tests the installed aiohttp for each row of `docs/aiohttp-internals.md`.

Each test fails when aiohttp changes the part that its row depends on. What the gateway makes of it
is tested where it is used; after an upgrade, look here first.
"""

import asyncio
import inspect
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
import yarl
from aiohttp import web
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_writer import StreamWriter
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import RequestHandler
from typing_extensions import override

from tests.documents import ROOT

PAGE = ROOT / "docs" / "aiohttp-internals.md"
Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(
    handle: Handle, runner_class: type[web.AppRunner] = web.AppRunner
) -> AsyncIterator[int]:
    """Serve one route on a free port; the value is its address."""
    app = web.Application()
    app.router.add_route("*", "/", handle)
    runner = runner_class(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def asking(port: int) -> AsyncIterator[aiohttp.ClientResponse]:
    """Request the route; the value is the response with its body unread."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/") as answer,
    ):
        yield answer


async def say_hello(_request: web.Request) -> web.Response:
    return web.Response(text="hello")


async def test_a_runner_makes_its_server_in_a_method_that_can_be_overridden() -> None:
    made: list[web.Server] = []

    class Runner(web.AppRunner):
        @override
        async def _make_server(self) -> web.Server:
            made.append(await super()._make_server())
            return made[0]

    async with serving(say_hello, Runner) as port, asking(port) as response:
        assert await response.text() == "hello"
    [server] = made
    assert server._loop is asyncio.get_running_loop()
    assert set(server._kwargs) <= set(inspect.signature(RequestHandler.__init__).parameters)


async def test_a_connection_tells_what_it_has_of_requests() -> None:
    seen: list[tuple[bool, bool, float]] = []

    async def look(request: web.Request) -> web.Response:
        connection = request.protocol
        seen.append(
            (
                bool(connection._messages),
                connection._request_in_progress,
                connection._lingering_time,
            )
        )
        return web.Response()

    async with serving(look) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        request = b"GET / HTTP/1.1\r\nHost: gateway\r\n"
        writer.write(request + b"\r\n" + request + b"Connection: close\r\n\r\n")
        await reader.read()
        writer.close()
    assert [has_more for has_more, _, _ in seen] == [True, False]
    assert all(is_in_progress for _, is_in_progress, _ in seen)
    assert {seconds for *_, seconds in seen} == {10.0}


async def test_a_connection_has_parsed_what_it_was_given_when_it_returns() -> None:
    seen: list[tuple[int, int, list[bytes]]] = []

    class Connection(RequestHandler):
        @override
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            payload = self._messages[-1][1]
            seen.append((self._request_count, len(self._messages), list(payload._buffer)))

    class Runner(web.AppRunner):
        @override
        async def _make_server(self) -> web.Server:
            server = await super()._make_server()
            server.__class__ = type("S", (web.Server,), {"__call__": _connection_of(Connection)})
            return server

    async with serving(say_hello, Runner) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: gateway\r\nContent-Length: 3\r\n\r\nabcGET /")
        await reader.read(1)
        writer.close()
    assert seen == [(1, 1, [b"abc"])]


def _connection_of(kind: type[RequestHandler]) -> Callable[[web.Server], RequestHandler]:
    return lambda server: kind(server, loop=server._loop, **server._kwargs)


async def test_a_connection_may_outlive_the_end_of_what_it_receives() -> None:
    ended = asyncio.Event()
    seen: list[tuple[object, int, int]] = []

    class Connection(RequestHandler):
        @override
        def eof_received(self) -> bool:  # type: ignore[override]
            ended.set()
            return True

    class Runner(web.AppRunner):
        @override
        async def _make_server(self) -> web.Server:
            server = await super()._make_server()
            server.__class__ = type("S", (web.Server,), {"__call__": _connection_of(Connection)})
            return server

    async def slow(request: web.Request) -> web.StreamResponse:
        await ended.wait()
        response, writer = web.StreamResponse(), request.writer
        assert isinstance(writer, StreamWriter)
        seen.append((request.protocol._current_request, writer.output_size, writer.chunked))
        await response.prepare(request)
        await response.write(b"hello")
        seen.append((request.protocol._current_request, writer.output_size, writer.chunked))
        return response

    async with serving(slow, Runner) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n")
        writer.write_eof()
        assert b"hello" in await reader.read()
        writer.close()
    (request, nothing, _), (still, something, is_chunked) = seen
    assert request is still is not None
    assert nothing == 0
    assert something > 0
    assert is_chunked is True


async def test_a_body_tells_how_much_of_it_waits_to_be_read() -> None:
    waiting: list[int] = []

    async def look(request: web.Request) -> web.Response:
        while request.content._size < 5:  # noqa: ASYNC110 - what has arrived has no event
            await asyncio.sleep(0)
        waiting.append(request.content._size)
        assert await request.content.readexactly(5) == b"12345"
        waiting.append(request.content._size)
        assert await request.content.read() == b"6789"
        return web.Response()

    async with serving(look) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: gateway\r\nContent-Length: 9\r\n\r\n12345")
        await writer.drain()
        while len(waiting) < 2:  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0.01)
        writer.write(b"6789")
        await reader.read(1)
        writer.close()
    assert waiting == [5, 0]


async def test_a_chunk_may_be_written_past_the_writer_between_head_and_end() -> None:
    sizes: list[int] = []
    is_writable: list[bool] = []

    async def write(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(b"head, ")
        assert isinstance(request.writer, StreamWriter)
        assert request.protocol.transport is not None
        before = request.writer.output_size
        request.writer.output_size += len(b"4\r\ntext\r\n")
        request.protocol.transport.write(b"4\r\ntext\r\n")
        is_writable.append(not request.protocol.writing_paused)
        await response.write_eof(b", end")
        sizes.append(request.writer.output_size - before)
        return response

    async with serving(write) as port, asking(port) as response:
        assert await response.read() == b"head, text, end"
    assert sizes == [len(b"4\r\ntext\r\n5\r\n, end\r\n0\r\n\r\n")]
    assert is_writable == [True]


async def test_a_request_class_may_read_a_body_past_aiohttp_and_make_up_its_end() -> None:
    told: list[bytes] = []
    transports: list[asyncio.Transport] = []
    ended = asyncio.Event()

    class Tap(asyncio.Protocol):
        def __init__(self, transport: asyncio.Transport, protocol: ResponseHandler) -> None:
            self.transport = transport
            self.protocol = protocol
            transport.set_protocol(self)

        @override
        def data_received(self, data: bytes) -> None:
            head, found, body = data.partition(b"\r\n\r\n")
            if not told:
                self.protocol.data_received(head + found)
                told.append(head)
            else:
                body = data
            told.append(body)
            if b"0\r\n\r\n" in body:
                self.transport.set_protocol(self.protocol)
                self.protocol.data_received(b"0\r\n\r\n")
                ended.set()

    class Request(aiohttp.ClientRequest):
        @override
        async def send(self, conn: Connection) -> aiohttp.ClientResponse:
            assert conn.transport is not None
            assert conn.protocol is not None
            transports.append(conn.transport)
            if len(transports) == 1:
                Tap(conn.transport, conn.protocol)
            return await super().send(conn)

    async def write(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write_eof(b"text")
        return response

    async with (
        serving(write) as port,
        aiohttp.ClientSession(request_class=Request) as session,
    ):
        async with session.get(f"http://127.0.0.1:{port}/") as response:
            await ended.wait()
            assert response.connection is None  # given back by the end that was made up
            assert await response.read() == b""
        assert b"".join(told[1:]) == b"4\r\ntext\r\n0\r\n\r\n"
        async with session.get(f"http://127.0.0.1:{port}/") as response:
            assert await response.read() == b"text"
    assert transports[0] is transports[1]


async def test_a_request_may_be_written_past_the_session_and_its_answer_left_to_aiohttp() -> None:
    async with serving(say_hello) as port, aiohttp.ClientSession() as session:
        assert session.connector is not None
        request = aiohttp.ClientRequest("POST", yarl.URL(f"http://127.0.0.1:{port}/"))
        assert request.headers["Host"] == f"127.0.0.1:{port}"
        used: list[ResponseHandler | None] = []
        for _ in range(2):
            connection = await session.connector.connect(request, [], session.timeout)
            transport, handler = connection.transport, connection.protocol
            assert transport is not None
            assert handler is not None
            used.append(handler)
            assert not handler.should_close
            transport.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            handler.set_response_params(read_until_eof=True, read_bufsize=65536)
            message, content = await handler.read()
            assert (message.code, await content.read()) == (200, b"hello")
            connection.release()
        assert used[0] is used[1]

        connection = await session.connector.connect(request, [], session.timeout)
        assert connection.protocol is used[0]
        connection.protocol._tail = b"unasked"
        assert connection.protocol.should_close
        connection.close()
    assert await EMPTY_PAYLOAD.read() == b""


async def test_a_malformed_chunk_leaves_a_reader_waiting_on_a_connection_that_is_gone() -> None:
    async def write(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(b"text")
        await asyncio.sleep(0.05)
        assert request.transport is not None
        request.transport.write(b"zz\r\n")
        await asyncio.sleep(0.2)
        return response

    async with serving(write) as port, asking(port) as response:
        assert await response.content.readany() == b"text"
        connection = response.connection
        assert connection is not None
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(response.content.readany(), 0.3)
        assert response.content.exception() is None
        assert connection.transport is None


def test_the_page_names_each_test_and_the_version_that_is_pinned() -> None:
    page = PAGE.read_text("utf-8")
    named = set(re.findall(r"`(test_\w+)`", page))
    tests = {name for name in globals() if name.startswith("test_")}
    assert named == tests - {"test_the_page_names_each_test_and_the_version_that_is_pinned"}
    assert f" {aiohttp.__version__}" in page
