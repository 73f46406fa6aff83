"""The only writer of a streamed answer (spec 6.3 and 6.4).

Until the head is out an error has its true status; afterwards it is an event of
the stream. One batch is one write, and nothing else is done for each of them: a
single task beside the stream sends the head when it is due and fills silences.
"""

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from typing import Any, Protocol

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import StreamWriter
from aiohttp_sse import EventSourceResponse
from typing_extensions import override

from handlers.record import Record, outcome_of
from service.config import StreamConfig
from service.errors import ServiceError, UpstreamCutError
from service.events import Failure, TurnEnded
from service.rendered import Rendered
from service.stages.encode import PING, Gathered

# How late a keep-alive may be, as a part of its interval: silence is looked for this often.
_LOOKS_PER_INTERVAL = 4
# What may wait for a slow caller, in this process and unsent in the kernel, before the upstream
# waits as well: some seconds of the fastest answer.
UNSENT_BYTES = 16 * 1024


class StreamResponse(EventSourceResponse):
    """A response of events, without pings of its own and open to every HTTP version."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__(headers=headers, allow_all_methods=True, send_timeout=None)
        self.headers[hdrs.CONTENT_TYPE] = "text/event-stream; charset=utf-8"
        del self.headers[hdrs.CONNECTION]  # the base class claims keep-alive for every request

    @override
    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send the head, once."""
        if self.prepared:  # the server asks again at the end; the base class would raise
            return await web.StreamResponse.prepare(self, request)
        if request.version < HttpVersion11:
            self.force_close()  # without chunks, only the end of the connection ends the body
        writer = await super().prepare(request)
        self.stop_streaming()
        return writer


class Events(Protocol):
    """The events of one answer in one dialect, as bytes that are written as they are."""

    @property
    def gathered(self) -> Gathered:
        """All that was rendered so far."""

    @property
    def opening(self) -> bytes:
        """What the stream begins with."""

    def keep_alive(self) -> bytes:
        """Return an event that says nothing, for clients that count events."""

    def text(self, text: str, /) -> bytes:
        """Return the events of text whose pieces come to `gather` later."""

    def gather(self, pieces: list[Rendered], /) -> None:
        """Take pieces into `gathered` whose events are out."""

    def feed_batch(self, batch: list[Rendered], /) -> bytes:
        """Return the events of a batch, which `gathered` takes in."""

    def finish(self, usage: dict[str, Any] | None, /) -> bytes:
        """Return what ends a complete answer; `usage` is what was settled."""

    def fail(self, failure: Failure, /) -> bytes:
        """Return what ends a failed answer."""


Settle = Callable[[], Awaitable[dict[str, Any] | None]]


class EventStream:
    """Writes one answer; `run` it once.

    Args:
        request: of the caller; its record learns when the first text went out.
        response: what is written to.
        events: turns batches into events.
        settings: pace and keep-alive.
        settle: awaited when the answer is complete, before its end is written and
            after its text; returns the usage to tell, if any.
    """

    def __init__(
        self,
        request: web.Request,
        response: StreamResponse,
        events: Events,
        settings: StreamConfig,
        settle: Settle | None,
    ) -> None:
        self._request = request
        self._response = response
        self._events = events
        self._settings = settings
        self._settle = settle
        self._is_open = asyncio.Event()
        self._opening = asyncio.Lock()
        self._protocol = request.protocol
        writer = request.writer
        self._writer = writer if isinstance(writer, StreamWriter) else None  # else no fast lane
        self._writes = 0  # how often text was written: what the task beside looks at
        self._keeper: asyncio.Task[None] | None = None

    async def run(
        self, source: AsyncGenerator[list[Rendered], None], record: Record
    ) -> Failure | None:
        """Write the answer to its end; a caller that leaves ends it, and closes the source.

        Returns:
            The failure, if nothing was written and the caller can get its true status.
        """
        async with asyncio.TaskGroup() as group:
            head_at = record.received_at + self._settings.head_seconds
            self._keeper = group.create_task(self._keep_alive(head_at, record))
            try:
                return await self._write_all(source, record)
            finally:
                self._keeper.cancel()
                self._keeper = None  # else the two would hold each other, and the answer

    async def _write_all(
        self, source: AsyncGenerator[list[Rendered], None], record: Record
    ) -> Failure | None:
        gathered = self._events.gathered
        try:
            async with aclosing(source):
                async for batch in source:
                    frames = self._events.feed_batch(batch)
                    if gathered.ended is not None:
                        record.learn(gathered)
                        return await self._finish(frames, gathered.ended, record)
                    if frames:
                        await self._write(frames, record)
            raise UpstreamCutError("The answer ended without an end.")
        except ServiceError as error:
            record.outcome = outcome_of(error)
            return await self._fail(b"", error.failure(), record)
        except ConnectionError:
            record.abandon()
            return None

    async def _write(self, frames: bytes, record: Record) -> None:
        if not self._writes:
            record.first_text_at = asyncio.get_running_loop().time()
            frames = await self._open(record) + frames
        self._writes += 1
        await self._put(frames)
        if self._settings.delay_seconds:
            await asyncio.sleep(self._settings.delay_seconds)

    async def _put(self, data: bytes) -> None:
        """Write, and wait while the caller does not take what was written before."""
        await self._response.write(data)
        if self._request.protocol.writing_paused:  # `write` itself waits for 64 KiB and more
            await self._request.writer.drain()

    # An EventStream is also the outlet of a fast lane.

    def is_ready(self) -> bool:
        """Return whether text can be written without waiting: the head is out, the caller reads."""
        protocol = self._protocol
        return (
            self._writes > 0
            and self._writer is not None
            and protocol.connected
            and not protocol.writing_paused
            and not self._settings.delay_seconds
        )

    def put(self, text: str) -> None:
        """Write text when `is_ready` says so."""
        self._writes += 1
        if self._writer is not None:
            # It never waits: not to drain is left to whoever writes next, as is that the caller left.
            writing = self._writer.write(self._events.text(text), drain=False)
            with suppress(StopIteration, ConnectionError):
                writing.send(None)

    def gather(self, pieces: list[Rendered]) -> None:
        """Take pieces whose text was put."""
        self._events.gather(pieces)

    def _limit_buffers(self) -> None:
        """Let little wait for the caller: what does has been read, parsed and kept for nobody."""
        transport = self._request.transport
        if transport is None:
            return
        transport.set_write_buffer_limits(UNSENT_BYTES)
        if (sock := transport.get_extra_info("socket")) is not None:
            with suppress(OSError):  # of a Unix socket, and of a system without it
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)

    async def _open(self, record: Record) -> bytes:
        """Send the head if it is not out yet; return what has to be written first."""
        async with self._opening:
            if self._is_open.is_set():
                return b""
            await self._response.prepare(self._request)
            self._limit_buffers()
            record.stream, record.fail = self._response, self._events.fail
            self._is_open.set()
            return self._events.opening

    async def _finish(self, frames: bytes, ended: TurnEnded, record: Record) -> Failure | None:
        """Write the last text and the end, in one write that also ends the body."""
        if ended.failure is not None:
            return await self._fail(frames, ended.failure, record)
        usage = None
        if self._settle is not None:
            if frames:
                await self._write(frames, record)  # text does not wait for figures
                frames = b""
            usage = await self._settle()
        await self._close(frames, self._events.finish(usage), record)
        return None

    async def _fail(self, frames: bytes, failure: Failure, record: Record) -> Failure | None:
        async with self._opening:
            is_untold = not self._is_open.is_set() and not frames
        if is_untold:
            return failure
        with suppress(ConnectionError):
            await self._close(frames, self._events.fail(failure), record)
        return None

    async def _close(self, frames: bytes, end: bytes, record: Record) -> None:
        """Write the end and end the body at once: some clients leave at `[DONE]` (openai-wire 1)."""
        if frames and record.first_text_at is None:
            record.first_text_at = asyncio.get_running_loop().time()
        last = await self._open(record) + frames + end
        if self._keeper is not None:
            self._keeper.cancel()  # it must not write behind the end
        await self._response.write_eof(last)

    async def _keep_alive(self, head_at: float, record: Record) -> None:
        """Send the head when it is due, then a sign of life in each silence."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(head_at):
                await self._is_open.wait()
        with suppress(ConnectionError):  # the writer of text notices, too
            if opening := await self._open(record):
                await self._response.write(opening + PING)
            await self._fill_silence()

    async def _fill_silence(self) -> None:
        comment = self._settings.keep_alive_seconds
        chunk = self._settings.keep_alive_chunk_seconds
        intervals = [seconds for seconds in (comment, chunk) if seconds]
        if not intervals:
            return
        loop = asyncio.get_running_loop()
        seen, comment_at, chunk_at = self._writes, loop.time(), loop.time()
        while True:
            await asyncio.sleep(min(intervals) / _LOOKS_PER_INTERVAL)
            now = loop.time()
            # A caller that reads nothing gets no signs of life: they would only pile up.
            if self._writes != seen or self._request.protocol.writing_paused:
                seen, comment_at, chunk_at = self._writes, now, now
                continue
            due = b""
            if comment and now - comment_at >= comment:
                due, comment_at = PING, now
            if chunk and now - chunk_at >= chunk:
                due, chunk_at = due + self._events.keep_alive(), now
            if due:
                await self._response.write(due)
