"""Reads the body of an answer in the callback that brings its bytes, on aiohttp's connection.

Theory of operation
-------------------

aiohttp makes the connection: names, TLS, proxies, the pool, the request and the head of the answer
are its own. Its reader of bodies wakes a task for each read, which for an answer of thousands of
small chunks is most of the cost. So a `Tap` takes the place of aiohttp's protocol on the transport
before the request goes out (`tapped_session`), and lets it see the head and
the end of the body, but not what lies between:

    transport ──▶ Tap ── head ────────────────▶ aiohttp's protocol ──▶ ClientResponse
                   ├─── ChunkedBody ──▶ on_bytes
                   └─── a last chunk, made up ─▶ aiohttp's protocol ──▶ the pool

aiohttp's parser is so always in a known state: within an empty body, then at its end.

*What is tapped:* status 200 in HTTP/1.1, chunked, without a content coding, and no web page. With any
other head the tap gives its place back at once, and aiohttp reads the body as ever.

*Before a reader is attached,* which happens when the task that sent the request has the response,
bytes are kept, at most `MAX_EARLY_BYTES` and one read more; then reading pauses.

*Reads* go into one buffer of the event loop. A read that fills its part of it is followed by a pause
of one round of the event loop, so that a flood does not keep others from running. What a caller does
not take waits in memory, so a read is short, unless the body repeats what it has said: then a long
one brings little that can wait, and half as many do.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Protocol

from typing_extensions import override

from upstream.line.chunked import ChunkedBody

READ_BYTES = 128 * 1024
LONG_READ_BYTES = 256 * 1024  # of a body that repeats itself, and of the buffer
MAX_EARLY_BYTES = 64 * 1024
_MAX_HEAD_BYTES = 64 * 1024  # more than aiohttp takes; it refuses such a head
NOTHING = memoryview(b"")
_HEAD_END = b"\r\n\r\n"
_INFORMATIONAL = re.compile(rb"HTTP/1\.1 1(?!01)\d\d")  # after 101 comes no other head
_GOOD = b"HTTP/1.1 200"
_CHUNKED = re.compile(rb"(?i)\r\ntransfer-encoding:[ \t]*chunked[ \t]*\r\n")
_OTHER = re.compile(rb"(?i)\r\ncontent-(?:encoding:|type:[^\r\n]*html)")


class Reader(Protocol):
    """Takes a body as it arrives. Neither method raises."""

    def on_bytes(self, data: bytes, /) -> None:
        """Take the next bytes."""

    def repeats(self) -> bool:
        """Tell whether the body repeats all that it has said with each addition."""


class OnEnd(Protocol):
    """Called at the end of a body."""

    def __call__(self, *, is_clean: bool) -> None:
        """Note the end; unless `is_clean`, more of the body was to come."""


class Tap(asyncio.BufferedProtocol):
    """Stands between a transport and aiohttp's protocol for one answer."""

    def __init__(
        self, transport: asyncio.Transport, protocol: asyncio.Protocol, view: memoryview
    ) -> None:
        self._transport = transport
        self._protocol = protocol
        self._buffer = view
        self._view = view[:READ_BYTES]  # its part for the next read
        self._head = b""
        self._body: ChunkedBody | None = None  # once the head is read, if the body is tapped
        self._early: list[bytes] = []
        self._early_bytes = 0
        self._on_bytes: Callable[[bytes], None] | None = None
        self._repeats: Callable[[], bool] | None = None
        self._on_end: OnEnd | None = None
        self._ended: bool | None = None  # whether cleanly
        self._is_held = False  # by the reader, or because too much came too early
        transport.set_protocol(self)

    @property
    def is_tapping(self) -> bool:
        """Whether the body comes through here and not through aiohttp's reader."""
        return self._body is not None

    @property
    def _is_reading(self) -> bool:
        """Whether the connection is this body's, and open: a loop may refuse to pause another."""
        is_ours = self._ended is None and self._transport.get_protocol() is self
        return is_ours and not self._transport.is_closing()

    def attach(self, reader: Reader, on_end: OnEnd) -> None:
        """Give the reader all that has arrived, and from now on everything at once."""
        self._on_bytes, self._repeats, self._on_end = reader.on_bytes, reader.repeats, on_end
        early, self._early = b"".join(self._early), []
        self.resume()
        if early:
            reader.on_bytes(early)
        if self._ended is not None and self._on_end is not None:
            on_end(is_clean=self._ended)

    def detach(self) -> None:
        """Pass nothing more on."""
        self._on_bytes = self._repeats = self._on_end = None

    def pause(self) -> None:
        """Stop reading."""
        self._is_held = True
        if self._is_reading:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Go on reading."""
        if self._is_held:
            self._is_held = False
            if self._is_reading:
                self._transport.resume_reading()

    # --- the transport's callbacks ----------------------------------------------

    @override
    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view

    @override
    def buffer_updated(self, nbytes: int) -> None:
        view, body = self._view, self._body
        data = view[:nbytes]
        if body is None:
            data = self._take_head(data.tobytes())
            body = self._body
        if body is not None and self._ended is None:
            piece = body.feed(data)
            on_bytes = self._on_bytes
            if piece and on_bytes is not None:
                on_bytes(piece)
            elif piece:
                self._keep(piece)
            if body.is_over:
                self._finish(body)
        if nbytes == len(view):
            self._go_on_later()

    @override
    def eof_received(self) -> bool | None:
        return self._protocol.eof_received()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._end(is_clean=False)
        self._protocol.connection_lost(exc)

    @override
    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    @override
    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    # --- head, body, end --------------------------------------------------------

    def _take_head(self, data: bytes) -> memoryview:
        """Take what comes before a body, and return what there is of one that is read here."""
        data = self._head + data
        self._head = b""
        start, size = head_in(data)
        if start:
            self._protocol.data_received(data[:start])
            data = data[start:]
        if not size and len(data) <= _MAX_HEAD_BYTES:
            self._head = data
            return NOTHING
        if _is_tapped(data[:size]):
            self._body = ChunkedBody()
            self._protocol.data_received(data[:size])
            return memoryview(data)[size:]
        self._leave()
        self._protocol.data_received(data)
        return NOTHING

    def _keep(self, piece: bytes) -> None:
        """Keep what comes before there is a reader."""
        self._early.append(piece)
        self._early_bytes += len(piece)
        if self._early_bytes > MAX_EARLY_BYTES:
            self.pause()

    def _finish(self, body: ChunkedBody) -> None:
        """End the body, unless the reader has closed it."""
        if body.is_broken:
            self._end(is_clean=False)
            self._transport.abort()
        elif self._ended is None:
            self._leave()
            self._complete(body.rest)
            self._end(is_clean=True)

    def _complete(self, rest: bytes) -> None:
        """Let aiohttp see the end; bytes behind it make it close the connection."""
        self._protocol.data_received(b"0\r\n\r\n" + rest)

    def _end(self, *, is_clean: bool) -> None:
        if self._ended is None:
            self._ended = is_clean
            if self._on_end is not None and self._body is not None:
                self._on_end(is_clean=is_clean)

    def _leave(self) -> None:
        """Let the transport call aiohttp's protocol again, which may give it to the pool now."""
        if not self._transport.is_closing():
            self._transport.resume_reading()
        if self._transport.get_protocol() is self:
            self._transport.set_protocol(self._protocol)

    def _go_on_later(self) -> None:
        """Let others run after a full read, and choose the length of the next one."""
        is_long = self._repeats is not None and self._repeats()
        self._view = self._buffer if is_long else self._buffer[:READ_BYTES]
        if not self._is_held and self._is_reading:
            self._transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        """Read on after a full read, unless somebody holds the connection or it is gone."""
        if not self._is_held and self._is_reading:
            self._transport.resume_reading()


def head_in(data: bytes) -> tuple[int, int]:
    """Return the place and size of an answer's head behind informational ones; size 0: it is incomplete."""
    start, end = 0, data.find(_HEAD_END)
    while end >= 0 and _INFORMATIONAL.match(data, start):
        start = end + len(_HEAD_END)
        end = data.find(_HEAD_END, start)
    return start, end + len(_HEAD_END) - start if end >= 0 else 0


def _is_tapped(head: bytes) -> bool:
    """Tell whether a head begins a body that is read here."""
    return head.startswith(_GOOD) and bool(_CHUNKED.search(head)) and not _OTHER.search(head)
