"""The way of an answer to its caller, who may leave at any moment.

A stream that is silent looks often whether its caller is still there, and whether the demo stops.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Literal

import msgspec
from aiohttp import web

from upstream.demo.ground.options import OPTIONS, DemoOptions

GLANCE_SECONDS = 0.1
FOREVER_SECONDS = 3600.0


class Piece(msgspec.Struct, frozen=True):
    """What is written at once, or done to the connection, after a pause."""

    data: bytes = b""
    act: Literal["send", "head", "end", "abort"] = "send"
    beats: float = 0.0
    """The pause, each beat as long as `DemoOptions.delay_seconds`."""
    seconds: float = 0.0
    """The pause, whatever a beat is."""
    is_content: bool = False
    """Whether visible text grows by it; faults count these."""
    is_closing: bool = False
    """Whether it finishes a visible message; faults come before it at the latest."""
    is_counted: bool = True
    """Whether a resume offset counts it: not pings, not `[DONE]`."""


HEAD, END, ABORT = Piece(act="head"), Piece(act="end"), Piece(act="abort")
STALL = Piece(seconds=FOREVER_SECONDS, is_counted=False)


CLOSING: web.AppKey[asyncio.Event] = web.AppKey("CLOSING", asyncio.Event)
"""Set when the demo is about to stop, which ends all streams at once."""


class Streams:
    """How many streams of each account are open, and were at most, and how many callers left."""

    def __init__(self) -> None:
        self.now: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.left = 0

    @contextmanager
    def opened(self, account: str) -> Iterator[None]:
        """Count a stream as open for as long as it is being written."""
        key = short_hash(account)
        self.now[key] += 1
        self.most[key] = max(self.most[key], self.now[key])
        try:
            yield
        finally:
            self.now[key] -= 1


def short_hash(name: str) -> str:
    """Return the name of an account or token in the statistics."""
    return hashlib.sha256(name.encode()).hexdigest()[:8]


def prepare(app: web.Application, options: DemoOptions) -> None:
    """Give an application what `deliver` asks for."""
    app[OPTIONS] = options
    app[CLOSING] = asyncio.Event()
    app.on_shutdown.append(_close)


async def _close(app: web.Application) -> None:
    app[CLOSING].set()


async def deliver(
    request: web.Request, response: web.StreamResponse, pieces: Iterable[Piece], streams: Streams
) -> bool:
    """Take all pieces; False if the connection is gone, which counts if the caller left it."""
    try:
        for piece in pieces:
            is_closing = await _pause(request, piece)
            if is_closing or piece.act == "abort":
                _abort(request)
                return False
            if piece.act == "head":
                await response.prepare(request)
            elif piece.act == "end":
                await response.write_eof()
            elif piece.data:
                await response.write(piece.data)
    except ConnectionError:  # of a large write it is not always a ConnectionResetError
        streams.left += 1
        return False
    except asyncio.CancelledError:  # the runner stops, or cancels handlers of departed callers
        streams.left += _is_gone(request)
        raise
    return True


async def _pause(request: web.Request, piece: Piece) -> bool:
    """Wait before a piece, watching the caller; True if the demo stops meanwhile.

    Raises:
        ConnectionResetError: the caller left.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + piece.beats * request.app[OPTIONS].delay_seconds + piece.seconds
    while True:
        if _is_gone(request):
            raise ConnectionResetError
        if request.app[CLOSING].is_set():
            return True
        left = until - loop.time()
        await asyncio.sleep(max(0.0, min(left, GLANCE_SECONDS)))  # gives others a turn, too
        if left <= GLANCE_SECONDS:
            return False


def _is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
