"""Bodies that do not come: a request's body must go on arriving, or the request ends with a 408.

After its first minute a body that brings less than 4 KiB in 10 s ends, whatever came before; so does
the slowest one when all together hold too much (`handlers/reading/pending_bodies.py`).
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from aiohttp import StreamReader, web

from handlers.edge.headers import sent_credential
from handlers.edge.links import caller_address
from handlers.reading.pending_bodies import PENDING_BODIES, PENDING_BODY
from service.keys import CONFIG
from service.vocabulary.errors import AuthError, SlowBodyError

GRACE_SECONDS = 60.0  # of any body; longer than a token exchange takes
WINDOW_SECONDS = 10.0
WINDOW_BYTES = 4096  # in a window; a modem of 1998 sends ten times as much


@asynccontextmanager
async def in_time(request: web.Request) -> AsyncGenerator[None, None]:
    """Run the block until the request's body comes too slowly, or others need its room.

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
            with request.app[PENDING_BODIES].one_more(_holders(request), watch.give_up) as body:
                request[PENDING_BODY] = body
                yield
    except TimeoutError:
        if not limit.expired():
            raise
        message = "The request body did not arrive in time; please send it again."
        raise SlowBodyError(message) from None
    finally:
        watch.end()


def _holders(request: web.Request) -> list[str]:
    """Return on whose account the body is: the caller's address and, if there is one, credential."""
    holders = [f"address {caller_address(request, request.app[CONFIG].server)}"]
    try:
        sent = sent_credential(request)
    except AuthError:
        return holders
    # Without the account id, which costs a caller nothing to change.
    return [*holders, f"token {hashlib.sha256(sent.token.encode()).hexdigest()}"]


class _Watch:
    """Looks at a body now and then, and lets the time limit expire when it comes too slowly."""

    def __init__(self, body: StreamReader, limit: asyncio.Timeout) -> None:
        self._body = body
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._seen: int | None = None  # bytes at the last look; the first minute does not count
        self._timer = self._loop.call_later(GRACE_SECONDS, self._look)

    def end(self) -> None:
        """Look no more."""
        self._timer.cancel()

    def give_up(self) -> None:
        """Let the time limit expire now."""
        self._limit.reschedule(self._loop.time())

    def _look(self) -> None:
        if self._body.is_eof():
            return
        came = self._body.total_bytes
        is_slow = self._seen is not None and came - self._seen < WINDOW_BYTES
        if is_slow and not self._body._size:  # noqa: SLF001 - it does not tell otherwise
            self.give_up()
            return
        # What has arrived and is not read yet waits for us, not we for what is to come.
        self._seen = None if self._body._size else came  # noqa: SLF001 - as above
        self._timer = self._loop.call_later(WINDOW_SECONDS, self._look)
