"""The responses that this process is writing: to be read, cancelled or deleted meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from aiohttp import web
from msgspec import structs

from handlers.background.event_log import EventLog
from service.answers.responses import ModelResponse
from service.sink import Sink
from service.stages.encode.responses import CANCELLED, ResponseEvents
from service.vocabulary.rendered import Rendered, TokenCounts

# How long a cancelled response may take to close its upstream connection and be kept.
CANCEL_SECONDS = 10.0
# How long responses in the background may take to be kept once their turns have ended.
CLOSE_SECONDS = 5.0


class Running:
    """One response that is being written. `is_kept` may still become False.

    `counts` are the tokens of the answer once they are counted, before it is kept.

    Args:
        events: of the response.
        is_kept: whether it will be kept.
        log: of the events, for a response in the background.
    """

    def __init__(
        self, events: ResponseEvents, *, is_kept: bool, log: EventLog | None = None
    ) -> None:
        self.is_kept = is_kept
        self.log = log
        self.counts: TokenCounts | None = None
        self.ended = asyncio.Event()
        self._events = events
        self._reading: asyncio.Timeout | None = None
        self._is_cancelled = False

    def response(self) -> ModelResponse:
        """Return the response object as it is now; it is in progress until its tokens are counted."""
        now = self._events.response(self.counts)
        if self.counts is not None or now.status not in ("completed", "incomplete"):
            return now
        return structs.replace(
            now, status="in_progress", completed_at=None, incomplete_details=None
        )

    def stop(self) -> None:
        """Have it end as cancelled, soon."""
        self._is_cancelled = True
        if self._reading is not None:
            self._reading.reschedule(asyncio.get_running_loop().time())

    async def cancel(self) -> None:
        """Cancel it and wait for its end, which a caller that does not read delays."""
        self.stop()
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
        self._tasks: set[asyncio.Task[None]] = set()
        self._watches: dict[tuple[str, str], asyncio.Task[None]] = {}

    def start(self, work: Coroutine[Any, Any, None], limit: int) -> bool:
        """Run what writes a response for a caller that need not wait for it.

        Returns False, and runs nothing, if `limit` of them run already; 0 means no limit.
        """
        if limit and len(self._tasks) >= limit:
            work.close()
            return False
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    def watch(
        self, owner: str, response_id: str, outlive: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        """Wait for the end of another process's response, unless this process waits already."""
        key = (owner, response_id)
        if key not in self._watches:
            task = self._watches[key] = asyncio.get_running_loop().create_task(outlive())
            task.add_done_callback(lambda _: self._watches.pop(key, None))

    async def close(self) -> None:
        """Wait for work that was started, whose turns have ended; cancel what is left."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)
        left = [*self._tasks, *self._watches.values()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

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
