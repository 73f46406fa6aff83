"""Bodies that do not come: a limit on the time that a request's body may take.

A caller that sends a byte now and then would keep its place for ever. The time grows with what
has arrived, so that an upload over a slow line is as good as any.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from aiohttp import StreamReader, web

from service.vocabulary.errors import SlowBodyError

GRACE_SECONDS = 60.0  # of any body, whatever has arrived; longer than a token exchange takes
MIN_BYTES_PER_SECOND = 4096  # on the average; a modem of 1998 sends as much


@asynccontextmanager
async def in_time(request: web.Request) -> AsyncGenerator[None, None]:
    """Run the block until the request's body takes too long.

    Raises:
        SlowBodyError: it does.
    """
    if request.content.is_eof():  # most bodies came with their head
        yield
        return
    limit = asyncio.timeout(None)
    watch = _Watch(request.content, limit)
    try:
        async with limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        message = "The request body did not arrive in time; please send it again."
        raise SlowBodyError(message) from None
    finally:
        watch.end()


class _Watch:
    """Looks at a body now and then, and lets the time limit expire when it comes too slowly."""

    def __init__(self, body: StreamReader, limit: asyncio.Timeout) -> None:
        self._body = body
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._timer = self._loop.call_later(GRACE_SECONDS, self._look)

    def end(self) -> None:
        """Look no more."""
        self._timer.cancel()

    def _look(self) -> None:
        if self._body.is_eof():
            return
        now = self._loop.time()
        if self._body._size:  # noqa: SLF001 - it does not tell otherwise
            self._began = now  # what has arrived waits for us, not we for what is to come
        until = self._began + GRACE_SECONDS + self._body.total_bytes / MIN_BYTES_PER_SECOND
        if now >= until:
            self._limit.reschedule(now)
        else:
            self._timer = self._loop.call_at(until, self._look)
