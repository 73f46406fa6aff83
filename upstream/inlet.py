"""A body's bytes in the moment in which they arrive, without waking a task for each read.

The transport tells a `_Tap` of its data instead of aiohttp's own protocol. The tap hands it on
and then looks what has become of it: a caller's function gets the bytes at once if the task
that reads is waiting, else they wait for that task, in the reader that limits them.
"""

import asyncio
from collections.abc import Callable

import aiohttp
from typing_extensions import override

Arrived = Callable[[bytes], bool]


class Inlet:
    """Where the bytes of one body come in; one task reads.

    Args:
        response: whose body was not read yet.
        max_bytes: how much is given at once.
        arrived: called with bytes that come while the reader waits, so that they are in order;
            returns whether the reader is to look after what is left of them. It must neither
            wait nor raise. None: all bytes are for the reader.
    """

    def __init__(
        self, response: aiohttp.ClientResponse, max_bytes: int, arrived: Arrived | None
    ) -> None:
        self._max_bytes = max_bytes
        self._content = response.content
        self._arrived = arrived
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._is_asked = False  # for what `arrived` left to the reader
        self._saved = b""
        self._tap = _tapped(response, self)

    async def read(self) -> bytes | None:
        """Return what has come, empty for what `arrived` left, None at the end of the body.

        Raises:
            Exception: what the body ended with.
        """
        while True:
            if self._is_asked:
                self._is_asked = False
                return b""
            if chunk := self._saved or self._content.read_nowait(self._max_bytes):
                self._saved = b""
                return chunk
            if self._content.is_eof():
                return None
            if self._tap is None:  # nobody tells
                return await self._content.read(self._max_bytes) or None
            await self._wait()

    def fail(self, error: Exception) -> None:
        """End the body with an error."""
        self._content.set_exception(error)
        self._wake()

    def leave(self) -> None:
        """Give the connection back as it was."""
        if self._tap is not None:
            self._tap.leave()
            self._tap = None  # the two would hold each other

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def save(self) -> None:
        """Keep what has come and was not read yet: a reader that gets an error gives no more."""
        if self._content.exception() is None:
            self._saved += self._content.read_nowait()

    def told(self) -> None:
        """Look at what has come: bytes, the end, or an error."""
        content = self._content
        if content.is_eof():
            self.leave()  # others may use the connection now
        if self._waiter is None or self._waiter.done():
            return
        if self._arrived is None or content.exception() is not None:
            self._wake()
            return
        if chunk := content.read_nowait(self._max_bytes):
            self._is_asked = self._arrived(chunk)
        if self._is_asked or len(chunk) == self._max_bytes or content.is_eof():
            self._wake()  # for the end, too, and for more than is taken at once


class _Tap(asyncio.Protocol):
    """Hands on what a transport tells a protocol, and tells of it."""

    def __init__(
        self, transport: asyncio.Transport, protocol: asyncio.Protocol, inlet: Inlet
    ) -> None:
        self._transport = transport
        self._protocol = protocol
        self._inlet = inlet
        transport.set_protocol(self)

    def leave(self) -> None:
        """Let the transport talk to its protocol again."""
        if self._transport.get_protocol() is self:
            self._transport.set_protocol(self._protocol)

    @override
    def data_received(self, data: bytes) -> None:
        self._protocol.data_received(data)
        self._inlet.told()

    @override
    def eof_received(self) -> bool | None:
        return self._protocol.eof_received()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._inlet.save()
        self._protocol.connection_lost(exc)
        self._inlet.told()

    @override
    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    @override
    def resume_writing(self) -> None:
        self._protocol.resume_writing()


def _tapped(response: aiohttp.ClientResponse, inlet: Inlet) -> _Tap | None:
    """Return the tap of a response's connection, None when all of the body has come already."""
    connection = response.connection
    transport = None if connection is None else connection.transport
    protocol = None if transport is None else transport.get_protocol()
    if transport is None or not isinstance(protocol, asyncio.Protocol):
        return None
    return _Tap(transport, protocol, inlet)
