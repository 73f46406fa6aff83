"""Ends requests whose body arrives too slowly, with a 408.

After its first minute, a body must bring 4 KiB in every 10 s, whatever came before. The slowest
body also ends when all bodies together hold too much memory (`handlers/reading/pending_bodies.py`).
"""

import asyncio
import hashlib

from aiohttp import StreamReader, web

from handlers.edge.admission import Handler
from handlers.edge.headers import sent_credential
from handlers.edge.links import caller_address
from handlers.reading.pending_bodies import PENDING_BODIES, PENDING_BODY
from service.keys import CONFIG
from service.vocabulary.errors import AuthError, SlowBodyError

GRACE_SECONDS = 60.0  # for any body; longer than a token exchange takes
WINDOW_SECONDS = 10.0
WINDOW_BYTES = 4096  # per window; a modem of 1998 sends ten times as much


async def in_time(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a request, unless its body arrives too slowly, or others need its room.

    Raises:
        SlowBodyError: the body is too slow.
    """
    if request.content.is_eof():  # most bodies arrive with their head
        return await handler(request)
    limit = asyncio.timeout(None)
    watch = _Watch(request.content, limit)
    try:
        async with limit:
            with request.app[PENDING_BODIES].one_more(_holders(request), watch.give_up) as body:
                request[PENDING_BODY] = body
                return await handler(request)
    except TimeoutError:
        if not limit.expired():
            raise
        message = "The request body did not arrive in time; please send it again."
        raise SlowBodyError(message) from None
    finally:
        watch.end()


def _holders(request: web.Request) -> list[str]:
    """Return the holders of the body: the caller's address and credential, if it has one."""
    holders = [f"address {caller_address(request, request.app[CONFIG].server)}"]
    try:
        sent = sent_credential(request)
    except AuthError:
        return holders
    # Without the account id, which a caller can change freely.
    return [*holders, f"token {hashlib.sha256(sent.token.encode()).hexdigest()}"]


class _Watch:
    """Looks at a body at intervals, and ends the request when it arrives too slowly."""

    def __init__(self, body: StreamReader, limit: asyncio.Timeout) -> None:
        self._body = body
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._seen: int | None = None  # bytes at the last look; None in the first minute
        self._timer = self._loop.call_later(GRACE_SECONDS, self._look)

    def end(self) -> None:
        """Stop looking."""
        self._timer.cancel()

    def give_up(self) -> None:
        """End the request now."""
        self._limit.reschedule(self._loop.time())

    def _look(self) -> None:
        if self._body.is_eof():
            return
        came = self._body.total_bytes
        is_slow = self._seen is not None and came - self._seen < WINDOW_BYTES
        if is_slow and not self._body._size:  # noqa: SLF001 - it does not tell otherwise
            self.give_up()
            return
        # Bytes that have arrived but are not read yet are the gateway's delay, not the caller's.
        self._seen = None if self._body._size else came  # noqa: SLF001 - as above
        self._timer = self._loop.call_later(WINDOW_SECONDS, self._look)
