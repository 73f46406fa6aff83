"""The load generator: callers that count tokens and read their age without decoding anything."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import cast

from msgspec import Struct, structs
from typing_extensions import override

from bench.answers import EVENT_MARK, STAMP_DIGITS, TOKEN_MARK, Play, age_microseconds

_END = b"0\r\n\r\n"
_DONE = b"[DONE]"
MAX_SECONDS = 120.0  # for one run; answers that have not ended by then have failed
_TAIL = 64  # bytes kept of a read, in case it ends inside a mark


class Load(Struct, frozen=True):
    """The requests of one run: `streams` callers, each with `repeats` requests in a row."""

    play: Play
    streams: int
    repeats: int
    is_stream: bool = True

    @property
    def requests(self) -> int:
        """The number of requests."""
        return self.streams * self.repeats

    @property
    def tokens(self) -> int:
        """The number of tokens that should arrive."""
        return self.requests * self.play.tokens


class Results:
    """The results of all callers of one run; times in microseconds."""

    def __init__(self) -> None:
        self.tokens = 0
        self.failed = 0
        self.seconds = 0.0
        self.first_token: list[float] = []
        self.age: list[int] = []


class Target(Struct, frozen=True):
    """The program that is asked.

    `passes_through`: its answers repeat v0 events unchanged. `generation`: the only one that it
    reads, or ''.
    """

    host: str
    port: int
    passes_through: bool
    generation: str = ""


class _Caller(asyncio.Protocol):
    """One connection, kept alive, that sends request after request."""

    def __init__(self, target: Target, load: Load, number: int, results: Results) -> None:
        is_raw = target.passes_through and load.play.generation == "v0"
        self._mark = EVENT_MARK if is_raw else TOKEN_MARK
        self._request = _request(target, load, number)
        self._load = load
        self._results = results
        self._left = load.repeats
        self._tokens = 0
        self._asked_at = 0.0
        self._head = b""
        self._body_left: int | None = None  # None while the head is read, -1 for a chunked body
        self._tail = b""
        self._is_good = False
        self._transport: asyncio.Transport | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by class
        self._ask()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self._results.failed += self._left
            self.done.set_result(None)

    @override
    def data_received(self, data: bytes) -> None:
        if self._body_left is None:
            self._head += data
            head, found, data = self._head.partition(b"\r\n\r\n")
            if not found:
                return
            self._begin(head)
        if data:
            self._take(data)
            self._look_for_end(data)

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _ask(self) -> None:
        assert self._transport is not None
        self._tokens, self._head, self._tail = 0, b"", b""
        self._body_left = None
        self._asked_at = time.perf_counter()
        self._transport.write(self._request)

    def _begin(self, head: bytes) -> None:
        self._is_good = head.startswith(b"HTTP/1.1 200")
        _, found, rest = head.lower().partition(b"content-length:")
        self._body_left = int(rest.split(b"\r\n", 1)[0]) if found else -1

    def _take(self, data: bytes) -> None:
        count = data.count(self._mark)
        if not count:
            return
        if not self._tokens:
            self._results.first_token.append((time.perf_counter() - self._asked_at) * 1e6)
        self._tokens += count
        at = data.rfind(TOKEN_MARK) + 1
        with suppress(ValueError):  # the read ended inside the token; the next read has another
            self._results.age.append(age_microseconds(data[at : at + STAMP_DIGITS]))

    def _look_for_end(self, data: bytes) -> None:
        self._tail = (self._tail + data)[-_TAIL:]
        assert self._body_left is not None
        if self._body_left < 0:
            if self._tail.endswith(_END):
                self._is_good = self._is_good and _DONE in self._tail
                self._finish()
            return
        self._body_left -= len(data)
        if self._body_left == 0:
            self._finish()

    def _finish(self) -> None:
        self._results.tokens += self._tokens
        self._left -= 1
        if not self._is_good:
            self._results.failed += 1
        if self._left:
            self._ask()
        elif not self.done.done():
            self.done.set_result(None)


def _request(target: Target, load: Load, number: int) -> bytes:
    generation = target.generation or load.play.generation
    if generation == "codex" and target.passes_through:
        generation = "v1"  # which it is measured against: what passes through reads neither
    play = structs.replace(load.play, generation=generation)
    message = {"role": "user", "content": play.words}
    body = json.dumps({"model": "gpt-4o", "messages": [message], "stream": load.is_stream}).encode()
    kind = "codex:" if generation == "codex" else ""
    return (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {target.host}:{target.port}\r\n"
        f"Authorization: Bearer {kind}bench-refresh-token-of-the-caller-number-{number:06}\r\n"
        f"Accept: application/json\r\nUser-Agent: bench\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


async def run(
    target: Target, load: Load, when_open: Callable[[], Awaitable[None]] | None = None
) -> Results:
    """Send all requests and wait for the answers.

    Args:
        target: the program that is asked.
        load: the requests.
        when_open: awaited while the answers arrive, to measure the process meanwhile.
    """
    loop = asyncio.get_running_loop()
    results, callers = Results(), []
    started = time.perf_counter()
    for number in range(load.streams):
        _, caller = await loop.create_connection(
            lambda number=number: _Caller(target, load, number, results), target.host, target.port
        )
        callers.append(caller)
    if when_open is not None:
        await when_open()
    _, late = await asyncio.wait([caller.done for caller in callers], timeout=MAX_SECONDS)
    results.failed += len(late)
    results.seconds = time.perf_counter() - started
    for caller in callers:
        caller.close()
    return results
