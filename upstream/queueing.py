"""How many turns of one account may run at once; the rest wait in order (spec 3)."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from prometheus_client import Gauge

from service.config import UpstreamConfig
from service.errors import QueueFullError


class _Line:
    """The turns of one account: how many run, and who waits, first come first."""

    def __init__(self) -> None:
        self.running = 0
        self.waiting: deque[asyncio.Future[None]] = deque()


class AccountQueues:
    """Slots for turns, by account. The counts are this process's own.

    Args:
        config: `streams_per_account`, 0 being no limit, `queue_per_account` and
            `queue_seconds`.
        waiting: the metric of all that wait.
    """

    def __init__(self, config: UpstreamConfig, waiting: Gauge) -> None:
        self._streams = config.streams_per_account
        self._queue = config.queue_per_account
        self._seconds = config.queue_seconds
        self._waiting = waiting
        self._lines: dict[str, _Line] = {}

    @asynccontextmanager
    async def slot(self, account: str) -> AsyncGenerator[None, None]:
        """Hold one of the account's slots, waiting for it if need be.

        Raises:
            QueueFullError: too many wait already, or it took too long.
        """
        if not self._streams:
            yield
            return
        line = self._lines.setdefault(account, _Line())
        if line.running < self._streams and not line.waiting:
            line.running += 1
        else:
            await self._wait(line)
        try:
            yield
        finally:
            self._release(account, line)

    async def _wait(self, line: _Line) -> None:
        if len(line.waiting) >= self._queue:
            message = (
                f"Rate limit: {self._streams} answers of this account are being written and "
                f"{len(line.waiting)} more are waiting; please try again shortly."
            )
            raise QueueFullError(message, retry_after_seconds=min(self._seconds, 30.0))
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.waiting.append(turn)
        self._waiting.inc()
        try:
            async with asyncio.timeout(self._seconds):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._hand_on(line)  # the slot came just as the wait was given up
            elif turn in line.waiting:
                line.waiting.remove(turn)
            if isinstance(error, TimeoutError):
                message = (
                    f"Rate limit: the answers of this account that came before were not done "
                    f"within {self._seconds:g} seconds; please try again shortly."
                )
                raise QueueFullError(message, retry_after_seconds=10.0) from None
            raise
        finally:
            self._waiting.dec()

    def _hand_on(self, line: _Line) -> None:
        """Give the slot to the next in line, or free it."""
        while line.waiting:
            turn = line.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        line.running -= 1

    def _release(self, account: str, line: _Line) -> None:
        self._hand_on(line)
        if line.running == 0 and not line.waiting:
            self._lines.pop(account, None)
