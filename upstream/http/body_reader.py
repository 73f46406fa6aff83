"""The bytes of a body at the moment they arrive, without waking a task for each read.

The connection's transport tells a `_Tap` of its data instead of aiohttp's own protocol. The tap
hands it on and then looks what has become of it: while the task that reads is waiting, a function
gets the bytes at once; else they wait for that task, in the reader of aiohttp that limits them.
"""

import asyncio
from collections.abc import Callable

import aiohttp
from typing_extensions import override

from upstream.http.bodies import end_if_lost

# Takes bytes that arrived while all before them have been dealt with, and returns what of them is
# left for the reading task. It does not wait.
Take = Callable[[bytes], bytes]


class ReadBuffer:
    """What all connections of an event loop read into, one after the other.

    It bounds what one read brings: uvloop itself would read 256 KiB, all of which a caller that
    has stopped reading makes wait in memory.
    """

    def __init__(self, size: int) -> None:
        self._bytes = bytearray(size)
        self.view = memoryview(self._bytes)


class BodyReader:
    """Where the bytes of one body come in; one task reads.

    Args:
        response: whose body was not read yet.
        max_bytes: how much is given at once.
        buffer: what is read into.
        take: gets all bytes first, in order.

    `fault` is what `take` raised: a bug of this gateway, and no end of the body.
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
        self._left = b""  # by `take`
        self._saved = b""  # when the connection was lost
        self.fault: Exception | None = None
        self._tap = _tapped(response, self, buffer)

    async def read(self) -> bytes:
        """Return what `take` left of what has come, empty at the end of the body.

        Raises:
            Exception: what the body ended with, or what `take` raised.
        """
        while True:
            if left := self._left:
                self._left = b""
                return left
            if self.fault is not None:
                raise self.fault
            chunk = self._arrived()
            if not chunk and not self._content.is_eof():
                if self._tap is not None:
                    await self._told()
                    continue
                chunk = await self._untold()
            if not chunk:
                return b""
            if left := self._taken(chunk):
                return left
            await asyncio.sleep(0)  # more may be there already: others come first

    async def _untold(self) -> bytes:
        """Return what comes next of a body whose connection cannot be, or is no more, tapped."""
        end_if_lost(self._response)
        try:
            return await self._content.read(self._max_bytes)
        except RuntimeError as error:  # aiohttp's word for a connection that went while nobody read
            raise aiohttp.ClientPayloadError("The connection broke within a body.") from error

    def _taken(self, chunk: bytes) -> bytes:
        """Return what `take` leaves of a chunk, remembering what it raises."""
        try:
            return self._take(chunk)
        except Exception as error:
            self.fault = error
            raise

    def fail(self, error: Exception) -> None:
        """End the body with an error."""
        self._content.set_exception(error)
        self._wake()

    def leave(self) -> None:
        """Give the connection back as it was."""
        if self._tap is not None:
            self._tap.leave()
            self._tap = None  # the two would hold each other

    def save(self) -> None:
        """Keep what has come and was not read yet: a reader that gets an error gives no more."""
        while self._content.exception() is None and (chunk := self._content.read_nowait()):
            self._saved += chunk

    def lose(self) -> None:
        """Look at what has come of a body whose connection is gone."""
        end_if_lost(self._response)
        self.told()

    def told(self) -> None:
        """Look at what has come: bytes, the end, or an error."""
        content = self._content
        is_over = content.is_eof() or content.exception() is not None
        if is_over:
            self.leave()  # others may use the connection now
        if self._waiter is None or self._waiter.done():
            return
        try:
            # Reading what is there may let more come, of which nobody tells.
            while not self._left and (chunk := self._arrived()):
                self._left = self._taken(chunk)
        except Exception:  # noqa: BLE001 - whatever it is, who reads the body meets it
            self._wake()
        if self._left or is_over:
            self._wake()

    def _arrived(self) -> bytes:
        if self._saved:
            chunk, self._saved = self._saved, b""
            return chunk
        return self._content.read_nowait(self._max_bytes)

    async def _told(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class _Tap(asyncio.BufferedProtocol):
    """Hands on what a transport tells a protocol, and tells of it."""

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

    def leave(self) -> None:
        """Let the transport talk to its protocol again."""
        if self._transport.get_protocol() is self:
            self._transport.set_protocol(self._protocol)

    @override
    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view

    @override
    def buffer_updated(self, nbytes: int) -> None:
        self._protocol.data_received(bytes(self._view[:nbytes]))
        self._reader.told()

    @override
    def eof_received(self) -> bool | None:
        return self._protocol.eof_received()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._reader.save()
        self._protocol.connection_lost(exc)
        self._reader.lose()

    @override
    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    @override
    def resume_writing(self) -> None:
        self._protocol.resume_writing()


def _tapped(
    response: aiohttp.ClientResponse, reader: BodyReader, buffer: ReadBuffer
) -> _Tap | None:
    """Return the tap of a response's connection, None when it has none any more."""
    connection = response.connection
    transport = None if connection is None else connection.transport
    protocol = None if transport is None else transport.get_protocol()
    if transport is None or not isinstance(protocol, asyncio.Protocol):
        return None
    return _Tap(transport, protocol, reader, buffer)
