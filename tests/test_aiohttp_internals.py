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
from aiohttp import web
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_writer import StreamWriter
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


async def test_a_writer_that_does_not_drain_is_done_in_one_step() -> None:
    is_done: list[bool] = []

    async def write(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        assert isinstance(request.writer, StreamWriter)
        writing = request.writer.write(b"text", drain=False)
        with pytest.raises(StopIteration):
            writing.send(None)
        is_done.append(request.protocol.connected and not request.protocol.writing_paused)
        return response

    async with serving(write) as port, asking(port) as response:
        assert await response.read() == b"text"
    assert is_done == [True]


async def test_a_clients_connection_lets_another_protocol_read_and_hand_on() -> None:
    may_go_on = asyncio.Event()
    told: list[bytes] = []

    async def write(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "10"})
        await response.prepare(request)
        await response.write(b"first")
        await may_go_on.wait()
        await response.write(b"later")
        return response

    class Tap(asyncio.Protocol):
        def __init__(self, protocol: asyncio.Protocol) -> None:
            self.protocol = protocol

        @override
        def data_received(self, data: bytes) -> None:
            told.append(data)
            self.protocol.data_received(data)

    async with serving(write) as port, asking(port) as response:
        assert await response.content.read(5) == b"first"
        assert response.connection is not None
        transport = response.connection.transport
        assert transport is not None
        protocol = transport.get_protocol()
        assert isinstance(protocol, ResponseHandler)
        transport.set_protocol(Tap(protocol))
        may_go_on.set()
        assert await response.content.read(5) == b"later"
        assert response.content.read_nowait() == b""
        assert response.content.exception() is None
        transport.set_protocol(protocol)
    assert told == [b"later"]


def test_the_page_names_each_test_and_the_version_that_is_pinned() -> None:
    page = PAGE.read_text("utf-8")
    named = set(re.findall(r"`(test_\w+)`", page))
    tests = {name for name in globals() if name.startswith("test_")}
    assert named == tests - {"test_the_page_names_each_test_and_the_version_that_is_pinned"}
    assert f" {aiohttp.__version__}" in page
