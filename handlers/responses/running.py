"""The responses that this process is writing: to be read, cancelled or deleted meanwhile."""

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager, suppress

from aiohttp import web

from service.answers.responses import ModelResponse
from service.sink import Sink
from service.stages.encode.responses import CANCELLED, ResponseEvents
from service.vocabulary.rendered import Rendered

# How long a cancelled response may take to close its upstream connection and be kept.
CANCEL_SECONDS = 10.0


class Running:
    """One response that is being written. `is_kept` may still become False."""

    def __init__(self, events: ResponseEvents, *, is_kept: bool) -> None:
        self.is_kept = is_kept
        self.ended = asyncio.Event()
        self._events = events
        self._reading: asyncio.Timeout | None = None
        self._is_cancelled = False

    def response(self) -> ModelResponse:
        """Return the response object as it is now."""
        return self._events.response()

    async def cancel(self) -> None:
        """Cancel it and wait for its end, which a caller that does not read delays."""
        self._is_cancelled = True
        if self._reading is not None:
            self._reading.reschedule(asyncio.get_running_loop().time())
        with suppress(TimeoutError):
            async with asyncio.timeout(CANCEL_SECONDS):
                await self.ended.wait()

    async def run(self, answering: Awaitable[None], sink: Sink[Rendered]) -> None:
        """Push an answer until it ends or is cancelled, which is then its end."""
        try:
            async with asyncio.timeout(0 if self._is_cancelled else None) as self._reading:
                await answering
        except TimeoutError:
            if not self._is_cancelled:
                raise
            if not sink.is_over():
                sink.feed([CANCELLED])
        finally:
            self._reading = None


class RunningResponses:
    """All running responses of this process; each is found by its owner only."""

    def __init__(self) -> None:
        self._running: dict[tuple[str, str], Running] = {}

    @contextmanager
    def entered(self, owner: str, response_id: str, running: Running) -> Iterator[None]:
        """Register a response for as long as the block lasts."""
        self._running[owner, response_id] = running
        try:
            yield
        finally:
            del self._running[owner, response_id]
            running.ended.set()

    def find(self, owner: str, response_id: str) -> Running | None:
        """Return the owner's response of this id if this process is writing it."""
        return self._running.get((owner, response_id))


RUNNING = web.AppKey("RUNNING", RunningResponses)
