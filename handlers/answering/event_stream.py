"""Writes streamed answers; no other module does (spec 6.3 and 6.4).

Theory of operation
-------------------

*The head.* An error has its true HTTP status until the head is sent; afterwards it is an event of
the stream. So the head waits for the first text, but no longer than `head_seconds`, after which
proxies would give up. A failure before it is returned by `run`, for a plain error reply.

*Text.* One batch is one write, and nothing else is done per batch: no timer is set or cancelled.
The fast lane writes through the same object (`is_ready`, `put`, `gather`), from a callback, past
all batches. Only the counter `_writes` tells a silence that there was text.

*Keep-alives.* In a silence two kinds are due, each at its own interval: a comment, which keeps
proxies and read timers content, and an event without content, for clients that count events.

    : ping

One timer looks every quarter of the shorter interval. If text was written since the last look, or
if the caller is not reading, the silence begins anew: keep-alives for a caller that does not read
would only pile up. A task is made only when a keep-alive is due; if its connection is broken, it
says nothing, because the writer of text will notice and end the answer.

*Slow callers.* `UNSENT_BYTES` may be on their way to the caller, counting the kernel. Beyond that a
write waits, then the stages, then the read of the upstream. So a slow caller costs little memory.

*The end.* The last text and the end are one write, which also ends the body, because some clients
close the connection at `[DONE]`. After it nothing may be written, so the timer stops before.
"""

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from contextlib import aclosing, suppress
from typing import Any, Generic, Protocol, TypeVar

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import StreamWriter
from typing_extensions import override

from handlers.answering.answers import watch_usage
from handlers.edge.record import Record
from service.settings.config import StreamConfig
from service.stages.encode.chat import PING
from service.stages.encode.gathered import Gathered
from service.vocabulary.endings import outcome_of
from service.vocabulary.errors import ServiceError, UpstreamCutError
from service.vocabulary.events import Failure, TurnEnded
from service.vocabulary.rendered import Rendered, TokenCounts

# Keeps proxies on the way from buffering events (openai-wire 2).
_HEADERS = {
    hdrs.CONTENT_TYPE: "text/event-stream; charset=utf-8",
    hdrs.CACHE_CONTROL: "no-cache",
    "X-Accel-Buffering": "no",
}
# Looks for silence per keep-alive interval, so a keep-alive may be late by a quarter of it.
_LOOKS_PER_INTERVAL = 4
# Bytes for a slow caller, buffered in this process and unsent in the kernel, before the upstream
# has to wait as well: some seconds of the fastest answer.
UNSENT_BYTES = 16 * 1024


class StreamResponse(web.StreamResponse):
    """A response of events, for every HTTP version."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__(headers={**_HEADERS, **headers})

    @override
    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send the head, once."""
        if request.version < HttpVersion11:
            self.force_close()  # without chunks, only the end of the connection ends the body
        elif not self.prepared:
            self.enable_chunked_encoding()
        return await super().prepare(request)


Piece = TypeVar("Piece")


class Events(Protocol[Piece]):
    """The events of one answer in one dialect, as bytes ready to be written."""

    @property
    def gathered(self) -> Gathered:
        """The sum of all that was rendered so far."""

    @property
    def opening(self) -> bytes:
        """The first bytes of the stream."""

    def keep_alive(self) -> bytes:
        """Return an event without content, for clients that count events."""

    def text(self, text: str, /) -> bytes:
        """Return the events for text whose pieces come to `gather` later."""

    def gather(self, pieces: list[Rendered], /) -> None:
        """Add pieces whose events have been sent to `gathered`."""

    def feed_batch(self, batch: list[Piece], /) -> bytes:
        """Return the events of a batch, and add it to `gathered`."""

    def finish(self, counts: TokenCounts | None, /) -> bytes:
        """Return the end of a complete answer; `counts` is the result of `settle`."""

    def fail(self, failure: Failure, /) -> bytes:
        """Return the end of a failed answer."""


Settle = Callable[[], Awaitable[TokenCounts | None]]


class EventStream(Generic[Piece]):
    """Writes one answer; call `run` once. It is also the `Outlet` of the fast lane.

    Args:
        request: the caller's; its record learns when the first text was sent.
        response: the response to write to.
        events: turns batches into events.
        settings: pace and keep-alive.
        settle: awaited when the answer is complete, after its text and before its end
            is written; returns the token counts to send, if any.
    """

    def __init__(
        self,
        request: web.Request,
        response: StreamResponse,
        events: Events[Piece],
        settings: StreamConfig,
        settle: Settle | None,
    ) -> None:
        self._request = request
        self._response = response
        self._events = events
        self._settings = settings
        self._settle = settle
        self._is_open = False
        self._opening = asyncio.Lock()
        self._protocol = request.protocol
        writer = request.writer
        self._writer = writer if isinstance(writer, StreamWriter) else None  # None: no fast lane
        self._writes = 0  # writes of text so far
        self._group: asyncio.TaskGroup | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._beside: asyncio.Task[None] | None = None

    async def run(
        self, source: AsyncGenerator[list[Piece], None], record: Record
    ) -> Failure | None:
        """Write the answer to its end; a caller that leaves ends it and closes the source.

        Returns:
            The failure, if nothing was written yet and the caller can get its true status.
        """
        watch_usage(record, self._events.gathered)
        head_at = record.received_at + self._settings.head_seconds
        async with asyncio.TaskGroup() as self._group:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(head_at, self._at_head_time, record)
            try:
                return await self._write_all(source, record)
            finally:
                self._stop_looking()

    async def _write_all(
        self, source: AsyncGenerator[list[Piece], None], record: Record
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
        """Write, then wait while the caller does not read what was written before."""
        await self._response.write(data)
        if self._request.protocol.writing_paused:  # `write` itself waits only above 64 KiB
            await self._request.writer.drain()

    # The methods of `Outlet`, for the fast lane.

    def is_ready(self) -> bool:
        """Tell whether text can be written without waiting: the head is sent, the caller reads."""
        protocol = self._protocol
        return (
            self._writes > 0
            and self._writer is not None
            and protocol.connected
            and not protocol.writing_paused
            and not self._settings.delay_seconds
        )

    def put(self, text: str) -> None:
        """Write text; only called while `is_ready`."""
        self._writes += 1
        self._put_at_once(self._events.text(text))

    def _put_at_once(self, data: bytes) -> None:
        """Write, but do not drain. The next ordinary write does, and notices a closed connection."""
        if self._writer is not None:
            writing = self._writer.write(data, drain=False)
            with suppress(StopIteration, ConnectionError):
                writing.send(None)

    def gather(self, pieces: list[Rendered]) -> None:
        """Note the pieces of text that was put."""
        self._events.gather(pieces)

    def _limit_buffers(self) -> None:
        """Keep the buffers for the caller small: a slow one shall slow the upstream down."""
        transport = self._request.transport
        if transport is None:
            return
        transport.set_write_buffer_limits(UNSENT_BYTES)
        if (sock := transport.get_extra_info("socket")) is not None:
            with suppress(OSError):  # a Unix socket, or a system without the option
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)

    async def _open(self, record: Record) -> bytes:
        """Send the head unless it is sent; return the bytes that must be written first."""
        async with self._opening:
            if self._is_open:
                return b""
            await self._response.prepare(self._request)
            self._limit_buffers()
            record.stream, record.fail = self._response, self._events.fail
            self._is_open = True
            self._watch_silence()
            return self._events.opening

    def _watch_silence(self) -> None:
        if self._timer is not None:
            self._timer.cancel()  # the timer for the head
        loop = asyncio.get_running_loop()
        silence = _Silence(self._settings, loop.time())
        if silence.pause_seconds:
            self._timer = loop.call_later(silence.pause_seconds, self._look, silence)

    async def _finish(self, frames: bytes, ended: TurnEnded, record: Record) -> Failure | None:
        """Write the last text and the end, in one write that also ends the body."""
        if ended.failure is not None:
            return await self._fail(frames, ended.failure, record)
        counts = None
        if self._settle is not None:
            if frames:
                await self._write(frames, record)  # so that text does not wait for token counts
                frames = b""
            counts = await self._settle()
        await self._close(frames, self._events.finish(counts), record)
        return None

    async def _fail(self, frames: bytes, failure: Failure, record: Record) -> Failure | None:
        async with self._opening:
            is_untold = not self._is_open and not frames
        if is_untold:
            return failure
        with suppress(ConnectionError):
            await self._close(frames, self._events.fail(failure), record)
        return None

    async def _close(self, frames: bytes, end: bytes, record: Record) -> None:
        """Write the end and close the body at once: some clients leave at `[DONE]` (openai-wire 1)."""
        if frames and record.first_text_at is None:
            record.first_text_at = asyncio.get_running_loop().time()
        last = await self._open(record) + frames + end
        self._stop_looking()  # nothing may be written after the end
        await self._response.write_eof(last)

    # --- keep-alives: a timer, and a task only when one is due ------------------------------

    def _at_head_time(self, record: Record) -> None:
        self._do(self._send_head(record))

    async def _send_head(self, record: Record) -> None:
        if opening := await self._open(record):
            await self._response.write(opening + PING)

    def _look(self, silence: "_Silence") -> None:
        """Send a keep-alive if one is due, and look again later."""
        loop = asyncio.get_running_loop()
        # A caller that does not read gets no keep-alives: they would only pile up.
        is_quiet = not self._protocol.writing_paused
        if due := silence.due(loop.time(), self._writes, is_quiet=is_quiet):
            comment = PING if COMMENT in due else b""
            chunk = self._events.keep_alive() if CHUNK in due else b""  # some dialects number them
            self._put_at_once(comment + chunk)  # no event of the answer may come between
        self._timer = loop.call_later(silence.pause_seconds, self._look, silence)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a task beside the writer of text, which is the one to handle a broken connection."""

        async def doing() -> None:
            with suppress(ConnectionError):
                await work

        if self._group is not None:
            self._beside = self._group.create_task(doing())

    def _stop_looking(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._beside is not None:
            self._beside.cancel()
        self._timer = self._beside = self._group = None  # they refer to the answer


COMMENT, CHUNK = "comment", "chunk"  # for proxies and read timers; for clients that count events


class _Silence:
    """Tells which keep-alives are due in an open stream.

    Args:
        settings: the interval of each kind in seconds; 0: never.
        now: a time of the event loop's clock.
    """

    def __init__(self, settings: StreamConfig, now: float) -> None:
        seconds = {
            COMMENT: settings.keep_alive_seconds,
            CHUNK: settings.keep_alive_chunk_seconds,
        }
        self._seconds = {kind: wait for kind, wait in seconds.items() if wait}
        self._since = dict.fromkeys(self._seconds, now)
        self._writes = 0

    @property
    def pause_seconds(self) -> float:
        """The seconds between two looks; 0 if no keep-alive is ever due."""
        return min(self._seconds.values(), default=0.0) / _LOOKS_PER_INTERVAL

    def due(self, now: float, writes: int, *, is_quiet: bool) -> list[str]:
        """Return the kinds that are due, and count them as sent; `writes` grows with the text."""
        if writes != self._writes or not is_quiet:
            self._writes = writes
            self._since = dict.fromkeys(self._seconds, now)
            return []
        due = [kind for kind, wait in self._seconds.items() if now - self._since[kind] >= wait]
        self._since |= dict.fromkeys(due, now)
        return due
