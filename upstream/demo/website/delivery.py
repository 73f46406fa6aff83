"""Writes the pieces of an answer to the caller and notices at once when it is gone."""

import asyncio
from collections.abc import Iterable

from aiohttp import web

from upstream.demo.ground.options import OPTIONS
from upstream.demo.ground.stats import STATS, Stats
from upstream.demo.ground.stream import Piece, ping
from upstream.demo.website.tokens import OWNER

GLANCE_SECONDS = 0.1
"""How often a silent stream looks whether its caller is still there."""
FOREVER_SECONDS = 3600.0
PING_BEATS = 3.0
"""A silence of this many beats ends with a ping."""
STALL_PING_SECONDS = 0.2
"""Pings of a stalled answer come quickly, so that tests need not wait."""


class PeerGoneError(Exception):
    """The caller closed the connection."""


class DroppedError(PeerGoneError):
    """The demo dropped the connection itself."""


class Answering:
    """Turns that are being answered, and whether the demo is about to stop."""

    def __init__(self) -> None:
        self.is_closing = False
        self.stopped: set[str] = set()
        """Conversations whose running answer was told to stop."""


ANSWERING: web.AppKey[Answering] = web.AppKey("ANSWERING", Answering)


class Line:
    """The way to one caller: its request, and the response once it has a head."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._beat_seconds = request.app[OPTIONS].delay_seconds
        self._response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                "Cache-Control": "no-cache",
            }
        )

    @property
    def account(self) -> str:
        """The account that is answered."""
        return self._request[OWNER]

    async def open(self) -> None:
        """Send the head."""
        await self._response.prepare(self._request)

    async def send(self, piece: Piece) -> None:
        """Write a piece, after its pause, or do to the connection what it says.

        Raises:
            PeerGoneError: the caller is gone, or the piece was to drop it.
        """
        await self.pause(piece.beats * self._beat_seconds + piece.seconds)
        match piece.act:
            case "send":
                await self._write(piece.data)
            case "pause":
                if piece.beats >= PING_BEATS:
                    await self._write(ping().data)
            case "abort":
                self.drop()
            case "stall":
                await self.pause(FOREVER_SECONDS)
            case "ping_stall":
                await self._ping_forever()

    async def pause(self, seconds: float) -> None:
        """Wait, watching the caller.

        Raises:
            PeerGoneError: the caller left meanwhile, or the demo is stopping.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while True:
            self._look()
            left = until - loop.time()
            if left <= 0:
                return
            await asyncio.sleep(min(left, GLANCE_SECONDS))

    async def finish(self) -> web.StreamResponse:
        """End the body cleanly."""
        await self._response.write_eof()
        return self._response

    def given_up(self, gone: BaseException) -> web.StreamResponse:
        """Return the response as it is; its connection is gone, which is counted."""
        if not isinstance(gone, DroppedError):
            self._request.app[STATS].counts["turns_closed_by_peer"] += 1
        return self._response

    def drop(self) -> None:
        """Drop the connection.

        Raises:
            PeerGoneError: always, as `DroppedError`.
        """
        if self._request.transport is not None:
            self._request.transport.abort()
        raise DroppedError

    def _look(self) -> None:
        transport = self._request.transport
        if transport is None or transport.is_closing():
            raise PeerGoneError
        if self._request.app[ANSWERING].is_closing:
            self.drop()

    async def _write(self, data: bytes) -> None:
        try:
            await self._response.write(data)
        except ConnectionResetError as exc:
            raise PeerGoneError from exc
        await asyncio.sleep(0)  # `write` alone need not give others a turn

    async def _ping_forever(self) -> None:
        while True:
            await self._write(ping().data)
            await self.pause(STALL_PING_SECONDS)


async def deliver(line: Line, pieces: Iterable[Piece], stats: Stats) -> web.StreamResponse:
    """Send an answer; a caller that leaves is counted, and ends it quietly."""
    with stats.open_turn(line.account):
        try:
            await line.open()
            for piece in pieces:
                await line.send(piece)
            return await line.finish()
        except (PeerGoneError, ConnectionResetError) as gone:
            return line.given_up(gone)
        except asyncio.CancelledError as gone:  # the runner cancels handlers of departed callers
            line.given_up(gone)
            raise
