"""The stub upstream, as cheap as possible in Python, so that it never limits the measurement.

    python -m bench.stub

It prints its address and serves until its standard input ends. It looks only for the order in a
request, and answers a turn as `bench.answers` does.
"""

import asyncio
import sys
from typing import cast

import uvloop
from typing_extensions import override

from bench.answers import Answer, asked

_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
_JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
_TOKENS = b'{"access_token": "fk-made-by-the-stub", "expires_in": 864000}'
_MODELS = b'{"models": [{"slug": "gpt-6"}]}'
_SAID = ((b"refresh", _TOKENS), (b"oauth/token", _TOKENS), (b"codex/models", _MODELS))
_LENGTH = b"content-length:"


class Stub(asyncio.Protocol):
    """One connection, serving one request after the other."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._answer: Answer | None = None
        self._pause = 0.0
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._is_full = False

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by class

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._transport = None

    @override
    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        at = head.lower().find(_LENGTH)
        size = int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(body) >= size:
            self._received = b""
            self._take(head, body)

    @override
    def pause_writing(self) -> None:
        self._is_full = True

    @override
    def resume_writing(self) -> None:
        self._is_full = False
        if self._answer is not None and self._timer is None:
            self._due = self._loop.time()
            self._go_on()

    def _take(self, head: bytes, body: bytes) -> None:
        assert self._transport is not None
        play = asked(body)
        if play is None:
            line = head.split(b"\r\n", 1)[0]
            said = next((text for part, text in _SAID if part in line), b"{}")
            self._transport.write(_JSON_HEAD % (len(said), said))
            return
        self._answer = Answer(play)
        self._pause = play.pause_microseconds / 1e6
        self._due = self._loop.time()
        self._transport.write(_STREAM_HEAD)
        self._go_on()

    def _go_on(self) -> None:
        """Send the next group and schedule the one after it."""
        self._timer = None
        if self._transport is None or self._answer is None:
            return
        events = self._answer.next()
        frame = b"%x\r\n%b\r\n" % (len(events), events)
        if self._answer.is_over:
            self._answer = None
            self._transport.write(frame + b"0\r\n\r\n")
            return
        self._transport.write(frame)
        self._due += self._pause
        if not self._is_full:
            self._timer = self._loop.call_at(self._due, self._go_on)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Stub, "127.0.0.1", 0, backlog=4096)
    port = server.sockets[0].getsockname()[1]
    print(f"http://127.0.0.1:{port}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(_serve())
