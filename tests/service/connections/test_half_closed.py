"""A caller that closes its side gets its answer; one that has left is noticed within a second."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from service import keys
from service.connections import half_closed
from service.connections.half_closed import ANSWER_TYPE
from service.observing.metrics import Metrics
from service.program.runner import DrainingRunner, Program
from service.settings.config import Config
from tests.gateway import until
from tests.jumping import on_jumping_clock
from tests.rows import each_row

HEAD = "{method} {path} HTTP/{version}\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"


class Server:
    """Answers when told to, and records whose connection was aborted."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.asked = 0
        self.given_up = 0
        self.address: tuple[str, int] = ("", 0)

    async def whole(self, request: web.Request) -> web.Response:
        await request.read()
        await self._wait()
        return web.Response(text="hello")

    async def stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        request[ANSWER_TYPE] = response.headers["Content-Type"]  # as the middleware does
        await response.prepare(request)
        await response.write(b"data: 1\n\n")
        await self._wait()
        await response.write(b"data: 2\n\n")
        return response

    async def _wait(self) -> None:
        self.asked += 1
        try:
            await self.may_answer.wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise

    async def connect(self, path: str, version: str = "1.1", method: str = "GET") -> socket.socket:
        """Ask, and return the connection once the question has arrived."""
        caller, asked = socket.create_connection(self.address), self.asked
        caller.setblocking(False)
        head = HEAD.format(path=path, version=version, method=method, length=0)
        caller.sendall(head.encode())
        await until(lambda: self.asked > asked)
        return caller


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    made = Server()

    def make_app(_config: Config) -> web.Application:
        app = web.Application()
        app[keys.METRICS] = Metrics()
        app.router.add_get("/whole", made.whole)
        app.router.add_post("/whole", made.whole)
        app.router.add_get("/stream", made.stream)
        return app

    async def drain(_app: web.Application, _seconds: float) -> None:
        pass

    runner = DrainingRunner(Program(make_app, drain), Config())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.address = runner.addresses[0][:2]
    yield made
    await runner.cleanup()


async def read_all(caller: socket.socket) -> bytes:
    loop, found = asyncio.get_running_loop(), b""
    async with asyncio.timeout(30):
        while piece := await loop.sock_recv(caller, 65536):
            found += piece
    caller.close()
    return found


@each_row("seconds", [0, 1.2], ids=["at once", "after questions"])
@each_row(("path", "end"), [("/whole", b"hello"), ("/stream", b"data: 2\n\n")])
@on_jumping_clock
async def test_a_caller_that_sends_no_more_gets_its_answer(
    path: str, end: bytes, seconds: float
) -> None:
    async with serving() as server:
        caller = await server.connect(path)
        caller.shutdown(socket.SHUT_WR)
        await asyncio.sleep(seconds)
        server.may_answer.set()
        answer = await read_all(caller)
        if seconds and path == "/whole":
            assert answer.startswith(half_closed.CONTINUE)
            answer = answer.removeprefix(half_closed.CONTINUE)
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert end in answer
        assert (half_closed.COMMENT in answer) is (seconds > 0 and path == "/stream")
        assert server.given_up == 0


@each_row("path", ["/whole", "/stream"])
@on_jumping_clock
async def test_a_caller_that_has_left_is_given_up(path: str) -> None:
    async with serving() as server:
        caller = await server.connect(path)
        if path == "/stream":
            await asyncio.get_running_loop().sock_recv(caller, 65536)  # else its end is a reset
        caller.close()
        await until(lambda: server.given_up == 1, 60)


@on_jumping_clock
async def test_an_old_caller_cannot_be_asked_and_counts_as_gone() -> None:
    async with serving() as server:
        caller = await server.connect("/whole", version="1.0")
        caller.shutdown(socket.SHUT_WR)
        await until(lambda: server.given_up == 1, 60)
        caller.close()


@on_jumping_clock
async def test_a_body_that_ends_early_is_no_request() -> None:
    async with serving() as server:
        caller = socket.create_connection(server.address)
        caller.setblocking(False)
        head = HEAD.format(path="/whole", version="1.1", method="POST", length=10)
        caller.sendall(head.encode() + b"abc")
        caller.shutdown(socket.SHUT_WR)
        assert b"200" not in await read_all(caller)
        assert server.asked == 0


@on_jumping_clock
async def test_requests_that_were_sent_before_the_end_are_all_answered() -> None:
    async with serving() as server:
        server.may_answer.set()
        caller = socket.create_connection(server.address)
        caller.setblocking(False)
        head = HEAD.format(path="/whole", version="1.1", method="GET", length=0)
        caller.sendall(head.encode() * 3)
        caller.shutdown(socket.SHUT_WR)
        answers = await read_all(caller)
        assert answers.count(b"hello") == 3
        assert answers.count(b"Connection: close") == 1
