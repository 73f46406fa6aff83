"""Reads the body of an answer at the moment its bytes arrive, without waking a task for each read.

How a body is read
------------------

Usually aiohttp reads: its protocol gets the bytes from the transport, parses them, and puts the
body's into a `StreamReader`; a task that waits there is woken, runs in the next round of the event
loop and gets them. For an answer of thousands of small chunks that wake-up is most of the cost, and
it delays each chunk. So a second way is laid beside it, for the fast lane:

    transport ──▶ _Tap ──▶ aiohttp's protocol ──▶ StreamReader ──▶ take(chunk) ──▶ task
                   │                                                   ▲
                   └─────── on_data(), in the same callback ───────────┘

*The tap.* The transport's protocol is replaced by a `_Tap`, which passes everything on to aiohttp's
own protocol, so TLS, proxies, framing, limits and the pool stay aiohttp's. After each piece of data
it calls `BodyReader.on_data`, which looks at what aiohttp has made of it.

*Who gets the bytes.* `take` is a function that does not wait. It gets every byte of the body first
and in order, and returns what it leaves for the reading task. While that task waits in `read`,
`take` is called in the transport's callback; if it leaves nothing, the task is not even woken.
While the task is busy, the bytes stay in aiohttp's reader, whose limit stops the connection when
the caller is slow, and `take` gets them with the task's next `read`. So no order is lost, and no
byte is held outside aiohttp's limit except one chunk that `take` left over.

*How a body ends.* At its end, or with an error, the tap is removed at once, since aiohttp gives the
connection back to the pool. What arrived before a lost connection is saved first, because aiohttp's
reader gives nothing more once it has an error. A connection that is already gone, or whose protocol
cannot be replaced, is read the usual way. `take` may raise: that is a bug of this gateway and not
an end of the body, so it is kept in `fault` and raised in the reading task.

The private parts of aiohttp that this stands on are listed in `docs/aiohttp-internals.md`.
"""

import asyncio
from collections.abc import Callable

import aiohttp
from typing_extensions import override

from upstream.http.bodies import end_if_lost

# Gets the next bytes of the body and returns those that it leaves for the reading task. Never waits.
Take = Callable[[bytes], bytes]


class ReadBuffer:
    """The buffer that all connections of an event loop read into, one after the other.

    Its size bounds one read. uvloop alone would read 256 KiB, all of which waits in memory when the
    caller has stopped reading.
    """

    def __init__(self, size: int) -> None:
        self._bytes = bytearray(size)
        self.view = memoryview(self._bytes)


class BodyReader:
    """Reads one body for one task.

    Args:
        response: whose body was not read yet.
        max_bytes: the largest chunk.
        buffer: what the connection reads into.
        take: gets all bytes first, in order.

    `fault` is the exception of `take`: a bug of this gateway, not an end of the body.
    """

    def __init__(
        self, response: aiohttp.ClientResponse, max_bytes: int, buffer: ReadBuffer, take: Take
    ) -> None:
        self._max_bytes = max_bytes
        self._response = response
        self._content = response.content
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._left = b""  # what `take` left for the task
        self._saved = b""  # what was unread when the connection was lost
        self.fault: Exception | None = None
        self._tap = _tapped(response, self, buffer)

    async def read(self) -> bytes:
        """Return the next bytes that `take` leaves, empty at the end of the body.

        Raises:
            Exception: the error that ended the body, or the exception of `take`.
        """
        while True:
            if left := self._left:
                self._left = b""
                return left
            if self.fault is not None:
                raise self.fault
            chunk = self._next_chunk()
            if not chunk and not self._content.is_eof():
                if self._tap is not None:
                    await self._wait_for_data()
                    continue
                chunk = await self._read_untapped()
            if not chunk:
                return b""
            if left := self._offer(chunk):
                return left
            await asyncio.sleep(0)  # more may be there already; other tasks run first

    async def _read_untapped(self) -> bytes:
        """Return the next chunk of a connection that has no tap."""
        end_if_lost(self._response)
        try:
            return await self._content.read(self._max_bytes)
        except RuntimeError as error:  # aiohttp: the connection was lost between reads
            raise aiohttp.ClientPayloadError("The connection broke within a body.") from error

    def _offer(self, chunk: bytes) -> bytes:
        """Give a chunk to `take` and return what it leaves, keeping its exception in `fault`."""
        try:
            return self._take(chunk)
        except Exception as error:
            self.fault = error
            raise

    def fail(self, error: Exception) -> None:
        """End the body with an error."""
        self._content.set_exception(error)
        self._wake()

    def detach(self) -> None:
        """Remove the tap, so that the connection is aiohttp's alone again."""
        if self._tap is not None:
            self._tap.detach()
            self._tap = None  # else the two would keep each other alive

    def save_unread(self) -> None:
        """Save the unread bytes: aiohttp's reader gives none once it has an error."""
        while self._content.exception() is None and (chunk := self._content.read_nowait()):
            self._saved += chunk

    def on_connection_lost(self) -> None:
        """Handle a lost connection: end the body if it is incomplete."""
        end_if_lost(self._response)
        self.on_data()

    def on_data(self) -> None:
        """Handle what has arrived: bytes, the end, or an error."""
        content = self._content
        is_over = content.is_eof() or content.exception() is not None
        if is_over:
            self.detach()  # the pool may give the connection to another request now
        if self._waiter is None or self._waiter.done():
            return
        try:
            # Reading may make room, so that aiohttp moves more into its reader without a callback.
            while not self._left and (chunk := self._next_chunk()):
                self._left = self._offer(chunk)
        except Exception:  # noqa: BLE001 - `read` raises it in the task
            self._wake()
        if self._left or is_over:
            self._wake()

    def _next_chunk(self) -> bytes:
        if self._saved:
            chunk, self._saved = self._saved, b""
            return chunk
        return self._content.read_nowait(self._max_bytes)

    async def _wait_for_data(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class _Tap(asyncio.BufferedProtocol):
    """Passes all callbacks of a transport on to its protocol, and reports them to the reader."""

    def __init__(
        self,
        transport: asyncio.Transport,
        protocol: asyncio.Protocol,
        reader: BodyReader,
        buffer: ReadBuffer,
    ) -> None:
        self._transport = transport
        self._protocol = protocol
        self._reader = reader
        self._view = buffer.view
        transport.set_protocol(self)

    def detach(self) -> None:
        """Let the transport call its own protocol again."""
        if self._transport.get_protocol() is self:
            self._transport.set_protocol(self._protocol)

    @override
    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view

    @override
    def buffer_updated(self, nbytes: int) -> None:
        self._protocol.data_received(bytes(self._view[:nbytes]))
        self._reader.on_data()

    @override
    def eof_received(self) -> bool | None:
        return self._protocol.eof_received()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._reader.save_unread()
        self._protocol.connection_lost(exc)
        self._reader.on_connection_lost()

    @override
    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    @override
    def resume_writing(self) -> None:
        self._protocol.resume_writing()


def _tapped(
    response: aiohttp.ClientResponse, reader: BodyReader, buffer: ReadBuffer
) -> _Tap | None:
    """Return a tap on a response's connection, None if there is none that can be tapped."""
    connection = response.connection
    transport = None if connection is None else connection.transport
    protocol = None if transport is None else transport.get_protocol()
    if transport is None or not isinstance(protocol, asyncio.Protocol):
        return None
    return _Tap(transport, protocol, reader, buffer)
