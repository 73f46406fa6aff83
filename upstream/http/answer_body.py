"""The body of a turn under way, read as it arrives and ended when it is silent for too long.

Failures of the network do not leave this module: they become the `BodyEnd` of the body.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable

import aiohttp

from service.settings.config import UpstreamConfig
from service.vocabulary.errors import ServiceError, ShutdownError, UpstreamTimeoutError
from service.vocabulary.events import BodyEnd, BodyEnded
from upstream.http.body_reader import BodyReader, ReadBuffer, Take

_TICK_SECONDS = 1.0
# The largest chunk of a body; aiohttp reads ahead of a slow caller up to twice as much. Real answers
# come in chunks of a hundredth of this. In the older encoding the events of a long answer have some
# kilobytes each, and of those that arrive together only the last is parsed.
READ_BYTES = 32 * 1024


class AnswerBody:
    """The body of a turn under way.

    Silence is measured in events, not bytes, so pings do not count. A timer checks once a second
    whether `progress` has grown, which costs nothing per event. The time during which a slow caller
    keeps the body from being read does not count as silence.
    """

    def __init__(
        self, response: aiohttp.ClientResponse, config: UpstreamConfig, buffer: ReadBuffer
    ) -> None:
        self.ended: BodyEnded | None = None
        self._response = response
        self._config = config
        self._buffer = buffer
        self._reader: BodyReader | None = None
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + config.turn_seconds
        self._is_reading = False
        self._timer: asyncio.TimerHandle | None = None
        self._watch: _Watch | None = None

    @property
    def deadline(self) -> float:
        """The time at which the turn is ended, on the event loop's clock."""
        return self._deadline

    async def chunks(
        self,
        progress: Callable[[], int],
        patience: Callable[[], float | None],
        take: Take | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """Yield the body as it arrives; afterwards `ended` says how it ended.

        Closing the generator closes the connection.

        Args:
            progress: returns how many events have been read so far.
            patience: returns the seconds of silence allowed from now on, None for the usual.
            take: gets all bytes as they arrive and returns those to yield; None yields all.
        """
        reader = BodyReader(self._response, READ_BYTES, self._buffer, take or bytes)
        self._reader = reader
        self._watch = _Watch(self._config, progress, patience)
        self._tick()
        try:
            self._is_reading = True
            while chunk := await reader.read():
                self._is_reading = False
                yield chunk
                if len(chunk) >= READ_BYTES:  # more is there already; other tasks run first
                    await asyncio.sleep(0)
                self._is_reading = True
            self.ended = BodyEnded(BodyEnd.CLEAN)
        except UpstreamTimeoutError as error:
            self.ended = BodyEnded(BodyEnd.SILENT, error.message)
        except ShutdownError as error:
            self.ended = BodyEnded(BodyEnd.SHUTDOWN, error.message)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # ValueError: a broken content encoding.
            if error is reader.fault:
                raise
            self.ended = BodyEnded(BodyEnd.CUT)
        finally:
            self.close()

    def close(self) -> None:
        """Close the connection at once; with the rest of the body unread it cannot be reused."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._watch = None  # they keep the whole answer in memory
        if self._reader is not None:
            self._reader.detach()
        self._response.close()

    def shut_down(self) -> None:
        """End the body because this gateway is stopping."""
        message = "This gateway is being stopped; please send the request again."
        self._fail(ShutdownError(message))

    def _fail(self, error: ServiceError) -> None:
        if self._reader is None:
            self._response.content.set_exception(error)
        else:
            self._reader.fail(error)

    def _tick(self) -> None:
        """End the body if it was silent for too long, else check again later."""
        now = self._loop.time()
        if self._watch is None:
            return
        due = min(self._watch.due(now, is_reading=self._is_reading), self._deadline)
        if now >= due:
            self._fail(_silence(self._config, self._watch.limit, now >= self._deadline))
        else:
            self._timer = self._loop.call_at(min(due, now + _TICK_SECONDS), self._tick)


class _Watch:
    """Computes when a body has been silent for too long; `limit` is in seconds."""

    def __init__(
        self,
        config: UpstreamConfig,
        progress: Callable[[], int],
        patience: Callable[[], float | None],
    ) -> None:
        self.limit = config.first_event_seconds
        self._config = config
        self._progress = progress
        self._patience = patience
        self._seen = progress()
        self._changed_at = asyncio.get_running_loop().time()
        self._is_first = True

    def due(self, now: float, *, is_reading: bool) -> float:
        """Return the time at which the silence is too long, if nothing arrives until then."""
        count = self._progress()
        if count != self._seen or not is_reading:
            self._is_first = self._is_first and count == 0
            self._seen, self._changed_at = count, now
        self.limit = (
            self._config.first_event_seconds if self._is_first else self._config.idle_seconds
        )
        if (asked := self._patience()) is not None:
            self.limit = min(self.limit, asked)
        return self._changed_at + self.limit


def _silence(config: UpstreamConfig, limit: float, is_deadline: bool) -> UpstreamTimeoutError:
    if is_deadline:
        message = f"The upstream's answer took longer than {config.turn_seconds:g} seconds."
    else:
        message = f"The upstream sent nothing for {limit:g} seconds."
    return UpstreamTimeoutError(message)
