"""Writes streamed answers; no other module does (spec 6.3 and 6.4).

Theory of operation
-------------------

An `EventStream` is the last sink of the line (`upstream/line/line.py`). A batch that is fed becomes
events, and one `transport.write`, in the callback that brought its bytes:

| state | a batch | next |
| --- | --- | --- |
| head not sent | its events are held; then `ready` sends the head and them, in one write | open |
| open, caller reads | is written at once, in a chunk of our own making | open, or full |
| open, caller is full | comes only after `ready`, which waits until the caller has read | open |
| ended | its events are held, for the last write | closed by `run` |

*The head.* An error has its true HTTP status until the head is sent; afterwards it is an event of
the stream. So the head waits for the first text, but no longer than `head_seconds`, after which
proxies would give up. A failure before it is returned by `run`, for a plain error reply.

*The fast lane* writes through the same object (`put`, `gather`), past the stages.

*Keep-alives.* In a silence two kinds are due, each at its own interval: a comment, which keeps
proxies and read timers content, and an event without content, for clients that count events.

    : ping

One timer looks every quarter of the shorter interval, and at the time for the head. If text was
written since the last look, or if the caller is not reading, the silence begins anew: keep-alives for
a caller that does not read would only pile up.

*Slow callers.* `UNSENT_BYTES` may be on their way to the caller, counting the kernel. Beyond that
the stream is not ready, so the line stops the read of the upstream. So a slow caller costs little
memory.

*The end.* The last text and the end are one write, which also ends the body, because some clients
close the connection at `[DONE]`. After it nothing may be written, so the timer stops before.

*Past aiohttp.* Head and end are written by aiohttp. What lies between goes to its transport
directly: its own `write` is a coroutine, and there is no task to wait in. Its count of bytes is kept.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import cache
from typing import Generic, Protocol, TypeVar

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from typing_extensions import override

from handlers.answering.answers import watch_usage
from handlers.edge.record import RECORD, Record
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
    """Writes one answer; call `run` once. It is a sink, and the `Outlet` of the fast lane.

    It `is_open` once the head is sent.

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
        self.is_open = False
        self._request = request
        self._response = response
        self._events = events
        self._gathered = events.gathered
        self._settings = settings
        self._settle = settle
        self._record: Record = request[RECORD]
        self._is_chunked = False
        self._opening = asyncio.Lock()
        self._protocol = request.protocol
        self._writer = request.writer
        self._held = b""  # events that are not written yet
        self._is_pausing = False  # a pause is due before the next text
        self._writes = 0  # writes of text so far
        self._head_at = self._record.received_at + settings.head_seconds
        self._silence: _Silence | None = None  # that of the open stream, from the first look on
        self._opened_at = 0.0  # on the event loop's clock
        self._timer: asyncio.TimerHandle | None = None
        self._heading: asyncio.Task[None] | None = None

    async def run(self, answering: Awaitable[None]) -> Failure | None:
        """Write the answer to its end; a caller that leaves ends it by cancelling.

        Args:
            answering: pushes the answer into this stream.

        Returns:
            The failure, if nothing was written yet and the caller can get its true status.
        """
        watch_usage(self._record, self._gathered)
        self._look_later(asyncio.get_running_loop())
        try:
            return await self._write_all(answering)
        finally:
            await self._stop_looking()

    async def _write_all(self, answering: Awaitable[None]) -> Failure | None:
        gathered, record = self._gathered, self._record
        try:
            await answering
            if gathered.ended is None:
                raise UpstreamCutError("The answer ended without an end.")
            record.learn(gathered)
            return await self._finish(gathered.ended)
        except ServiceError as error:
            record.outcome = outcome_of(error)
            return await self._fail(error.failure())
        except ConnectionError:
            record.abandon()
            return None

    # The sink, for the line.

    def feed(self, batch: list[Piece]) -> None:
        """Write the events of a batch, or hold them while the head or the end is to come."""
        frames = self._events.feed_batch(batch)
        if not frames:
            return
        if self.is_open and self._gathered.ended is None:
            self._count_write()
            self._write(frames)
        else:
            self._held += frames

    def is_ready(self) -> bool:
        """Tell whether nothing is held, and the caller reads."""
        return not self._held and not self._is_pausing and not self._protocol.writing_paused

    async def ready(self) -> None:
        """Send the head if there is text for it, and wait for a slow caller, or for the pause."""
        if self._held and not self.is_over():
            frames, self._held = self._held, b""
            self._count_write()
            await self._response.write(await self._open() + frames)
        if self._protocol.writing_paused:  # `write` itself waits only above 64 KiB
            await self._writer.drain()
        if self._is_pausing:
            self._is_pausing = False
            await asyncio.sleep(self._settings.delay_seconds)

    def is_over(self) -> bool:
        """Tell whether the answer has ended."""
        return self._gathered.ended is not None

    # The outlet of the fast lane.

    @property
    def outlet(self) -> "EventStream[Piece] | None":
        """This stream, unless its text is to come in the pieces and at the pace of the settings."""
        return None if self._settings.delay_seconds else self

    def put(self, text: str) -> bool:
        """Write text while the stream `is_open`, and tell whether the caller reads."""
        self._writes += 1
        self._write(self._events.text(text))
        return not self._protocol.writing_paused

    def gather(self, pieces: list[Rendered]) -> None:
        """Note the pieces of text that was put."""
        self._events.gather(pieces)

    # --- writing ----------------------------------------------------------------

    def _count_write(self) -> None:
        """Note that text is written: when the first was, and that a pause is due after it."""
        if not self._writes:
            self._record.first_text_at = asyncio.get_running_loop().time()
        self._writes += 1
        self._is_pausing = self._settings.delay_seconds > 0

    def _write(self, data: bytes) -> None:
        """Write to the transport; a caller who has left is noticed at the next wait."""
        transport = self._protocol.transport
        if transport is None or transport.is_closing():
            return
        if self._is_chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        self._writer.output_size += len(data)
        transport.write(data)

    def _limit_buffers(self) -> None:
        """Keep the buffers for the caller small: a slow one shall slow the upstream down."""
        transport = self._request.transport
        if transport is None or transport.get_write_buffer_limits()[1] == UNSENT_BYTES:
            return  # set by an earlier stream of this connection
        transport.set_write_buffer_limits(UNSENT_BYTES)
        if (sock := transport.get_extra_info("socket")) is not None:
            with suppress(OSError):  # a Unix socket, or a system without the option
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)

    async def _open(self) -> bytes:
        """Prepare the head unless it is sent; return the bytes that must be written first."""
        return b"" if self.is_open else await self._open_once()

    async def _open_once(self) -> bytes:
        async with self._opening:
            if self.is_open:
                return b""
            await self._response.prepare(self._request)
            self._is_chunked = self._response.chunked
            self._limit_buffers()
            self._record.stream, self._record.fail = self._response, self._events.fail
            self._opened_at = asyncio.get_running_loop().time()
            self.is_open = True
            return self._events.opening

    async def _finish(self, ended: TurnEnded) -> Failure | None:
        """Write the last text and the end, in one write that also ends the body."""
        if ended.failure is not None:
            return await self._fail(ended.failure)
        counts = None
        if self._settle is not None:
            if self._held:  # so that text does not wait for token counts
                frames, self._held = self._held, b""
                self._count_write()
                await self._response.write(await self._open() + frames)
            counts = await self._settle()
        await self._close(self._events.finish(counts))
        return None

    async def _fail(self, failure: Failure) -> Failure | None:
        async with self._opening:
            is_untold = not self.is_open and not self._held
        if is_untold:
            return failure
        with suppress(ConnectionError):
            await self._close(self._events.fail(failure))
        return None

    async def _close(self, end: bytes) -> None:
        """Write the end and close the body at once: some clients leave at `[DONE]` (openai-wire 1)."""
        frames, self._held = self._held, b""
        if frames and self._record.first_text_at is None:
            self._record.first_text_at = asyncio.get_running_loop().time()
        last = await self._open() + frames + end
        await self._stop_looking()  # nothing may be written after the end
        await self._response.write_eof(last)

    # --- the head and the keep-alives: a timer, and a task only for the head ----

    def _look_later(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look again before the next keep-alive may be due, and at the time for the head."""
        is_headed = self.is_open or self._heading is not None
        looks = [] if is_headed else [self._head_at]
        settings = self._settings
        if pause := _pause_seconds(settings.keep_alive_seconds, settings.keep_alive_chunk_seconds):
            looks.append(loop.time() + pause)
        if looks:
            self._timer = loop.call_at(min(looks), self._look)

    def _look(self) -> None:
        """Send the head or a keep-alive if one is due, and look again later."""
        loop = asyncio.get_running_loop()
        if self.is_open:
            self._keep_alive(loop.time())
        elif self._heading is None and loop.time() >= self._head_at:
            self._heading = loop.create_task(self._send_head())
        self._look_later(loop)

    def _keep_alive(self, now: float) -> None:
        if self._silence is None:
            self._silence = _Silence(self._settings, self._opened_at)
        # A caller that does not read gets no keep-alives: they would only pile up.
        is_quiet = not self._protocol.writing_paused
        if due := self._silence.due(now, self._writes, is_quiet=is_quiet):
            comment = PING if COMMENT in due else b""
            chunk = self._events.keep_alive() if CHUNK in due else b""  # some dialects number them
            self._write(comment + chunk)  # no event of the answer may come between

    async def _send_head(self) -> None:
        with suppress(ConnectionError):  # whoever writes text handles a broken connection
            if opening := await self._open():
                await self._response.write(opening + PING)

    async def _stop_looking(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._heading is not None:
            self._heading.cancel()
            await asyncio.wait({self._heading})
        self._timer = self._heading = None  # they refer to the answer


@cache
def _pause_seconds(*intervals: float) -> float:
    """Return the seconds between two looks for silence; 0 if no keep-alive is ever due."""
    return min((each for each in intervals if each), default=0.0) / _LOOKS_PER_INTERVAL


COMMENT, CHUNK = "comment", "chunk"  # for proxies and read timers; for clients that count events


class _Silence:
    """The keep-alives of an open stream, and when each is due.

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

    def due(self, now: float, writes: int, *, is_quiet: bool) -> list[str]:
        """Return the kinds that are due, and count them as sent; `writes` grows with the text."""
        if writes != self._writes or not is_quiet:
            self._writes = writes
            self._since = dict.fromkeys(self._seconds, now)
            return []
        due = [kind for kind, wait in self._seconds.items() if now - self._since[kind] >= wait]
        self._since |= dict.fromkeys(due, now)
        return due
