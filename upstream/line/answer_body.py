"""The body of a turn under way: pushed as it arrives, and ended when it is silent for too long.

Failures of the network do not leave this module: they become the `BodyEnd` of the body.
"""

import asyncio
from typing import Protocol

import aiohttp

from service.settings.config import UpstreamConfig
from service.vocabulary.events import BodyEnd, BodyEnded
from upstream.line.direct import DirectAnswer
from upstream.line.tap import Tap
from upstream.line.tapped_session import TappedResponse, UpstreamAnswer

_TICK_SECONDS = 1.0
_STOPPED = "This gateway is being stopped; please send the request again."


class BodyReader(Protocol):
    """Reads a body as it arrives. No method waits or raises."""

    def on_bytes(self, data: bytes, /) -> None:
        """Take the next bytes."""

    def on_end(self, ended: BodyEnded, /) -> None:
        """Note how the body ended."""

    def progress(self) -> int:
        """Return the number of events read so far."""

    def patience(self) -> float | None:
        """Return the seconds of silence allowed from now on, None for the usual."""

    def repeats(self) -> bool:
        """Tell whether the body repeats all that it has said with each addition."""


class AnswerBody:
    """The body of a turn under way.

    Silence is measured in events, not bytes, so pings do not count. A timer checks once a second
    whether `progress` has grown, which costs nothing per event. The time during which a slow caller
    keeps the body from being read does not count as silence.
    """

    def __init__(self, response: UpstreamAnswer, config: UpstreamConfig) -> None:
        self._response = response
        self._config = config
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + config.turn_seconds
        self._reader: BodyReader | None = None
        self._tap: Tap | None = None
        self._untapped: asyncio.Task[None] | None = None
        self._is_reading = False
        self._resumed: asyncio.Event | None = None  # for a body without a tap
        self._ended: BodyEnded | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._watch: _Watch | None = None

    @property
    def deadline(self) -> float:
        """The time at which the turn is ended, on the event loop's clock."""
        return self._deadline

    def start(self, reader: BodyReader) -> None:
        """Push the body into a reader, from now until its end or until `close`."""
        self._reader = reader
        self._is_reading = True
        if self._ended is not None:  # a shutdown came first
            reader.on_end(self._ended)
            return
        config = self._config
        self._watch = _Watch(config, reader, self._loop.time())
        first = min(_TICK_SECONDS, config.first_event_seconds, config.turn_seconds)
        self._timer = self._loop.call_later(first, self._tick)
        tap = _tap_of(self._response)
        if tap is not None and tap.is_tapping:
            self._tap = tap
            tap.attach(reader, self.on_end)
        else:
            self._untapped = self._loop.create_task(self._read_untapped())

    def pause(self) -> None:
        """Read nothing more for now."""
        self._is_reading = False
        if self._tap is not None:
            self._tap.pause()

    def resume(self) -> None:
        """Read on."""
        self._is_reading = True
        if self._tap is not None:
            self._tap.resume()
        elif self._resumed is not None:
            self._resumed.set()

    def close(self) -> None:
        """Close the connection at once, unless the body is complete and the connection given back."""
        self._stop()
        self._reader = None
        self._response.close()

    def shut_down(self) -> None:
        """End the body because this gateway is stopping."""
        self._end(BodyEnded(BodyEnd.SHUTDOWN, _STOPPED))

    # --- the body, by a tap or by aiohttp's reader ------------------------------

    def on_end(self, *, is_clean: bool) -> None:
        """Note the end of the connection."""
        self._end(BodyEnded(BodyEnd.CLEAN if is_clean else BodyEnd.CUT))

    async def _read_untapped(self) -> None:
        """Read a body that has no tap: one that is packed, or of a known length, or without one."""
        content, is_clean = self._response.content, False
        self._resumed = resumed = asyncio.Event()
        try:
            while chunk := await content.readany():
                if self._reader is not None and self._ended is None:
                    self._reader.on_bytes(chunk)
                await asyncio.sleep(0)
                while not self._is_reading:
                    resumed.clear()
                    await resumed.wait()
            is_clean = True
        except (aiohttp.ClientError, OSError, ValueError, RuntimeError):
            pass  # RuntimeError: the connection was lost between reads; ValueError: it is mispacked
        self._untapped = None
        self.on_end(is_clean=is_clean)

    def _is_lost(self) -> bool:
        """Tell whether the connection is gone although aiohttp's reader waits for more.

        When a chunk is malformed, aiohttp's C parser closes the connection and tells no reader.
        """
        connection = self._response.connection
        return connection is not None and connection.transport is None

    def _end(self, ended: BodyEnded) -> None:
        if self._ended is not None:
            return
        self._ended = ended
        self._stop()
        if self._reader is not None:
            self._reader.on_end(ended)

    def _stop(self) -> None:
        """Stop timer and reading."""
        if self._timer is not None:
            self._timer.cancel()
        if self._tap is not None:
            self._tap.detach()
        if self._untapped is not None:
            self._untapped.cancel()
        self._timer = self._watch = self._tap = self._untapped = None

    def _tick(self) -> None:
        """End the body if it was silent for too long, else check again later."""
        now = self._loop.time()
        if self._watch is None:
            return
        if self._untapped is not None and self._is_lost():
            self.on_end(is_clean=False)
            return
        due = min(self._watch.due(now, is_reading=self._is_reading), self._deadline)
        if now < due:
            self._timer = self._loop.call_at(min(due, now + _TICK_SECONDS), self._tick)
        elif now >= self._deadline:
            seconds = self._config.turn_seconds
            message = f"The upstream's answer took longer than {seconds:g} seconds."
            self._end(BodyEnded(BodyEnd.SILENT, message))
        else:
            message = f"The upstream sent nothing for {self._watch.limit:g} seconds."
            self._end(BodyEnded(BodyEnd.SILENT, message))


def _tap_of(response: UpstreamAnswer) -> Tap | None:
    if isinstance(response, DirectAnswer):
        return response
    return response.tap if isinstance(response, TappedResponse) else None


class _Watch:
    """Computes when a body has been silent for too long; `limit` is in seconds."""

    def __init__(self, config: UpstreamConfig, reader: BodyReader, now: float) -> None:
        self.limit = config.first_event_seconds
        self._config = config
        self._reader = reader
        self._seen = reader.progress()
        self._changed_at = now
        self._is_first = True

    def due(self, now: float, *, is_reading: bool) -> float:
        """Return the time at which the silence is too long, if nothing arrives until then."""
        count = self._reader.progress()
        if count != self._seen or not is_reading:
            self._is_first = self._is_first and count == 0
            self._seen, self._changed_at = count, now
        self.limit = (
            self._config.first_event_seconds if self._is_first else self._config.idle_seconds
        )
        if (asked := self._reader.patience()) is not None:
            self.limit = min(self.limit, asked)
        return self._changed_at + self.limit
