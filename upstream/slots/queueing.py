"""How many turns of one account may run at once; the others wait in order (spec 3).

Within this process turns are served first come, first served, by its own count. If processes share
a state store, a turn also needs a lease of it (`leases.py`). Only turns that this process lets
through ask for one, so turns of all processes are served by their time of arrival.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    nullcontext,
)

from prometheus_client import Gauge
from typing_extensions import override

from service.ports import Lease
from service.settings.config import UpstreamConfig
from service.vocabulary.errors import QueueFullError
from upstream.slots.leases import Leases

GIVE_BACK_SECONDS = 0.1  # longer than the store needs to learn of a slot that was given back
_UNLIMITED = nullcontext()


class _Line:
    """One account's turns: how many hold a slot of this process, and which wait, in order."""

    def __init__(self) -> None:
        self.running = 0
        self.waiting: deque[asyncio.Future[None]] = deque()
        self.leasing = 0  # how many of those with a slot here wait for a lease

    @property
    def length(self) -> int:
        """How many turns wait, for a slot or a lease."""
        return len(self.waiting) + self.leasing


class _RequestTurns:
    """The turns of one request, `size` of them, which stand in line one at a time.

    `until` is when they give up waiting, None once one of them got its slot.
    """

    def __init__(self, until: float) -> None:
        self.line = asyncio.Lock()
        self.until: float | None = until
        self.size = 0


class AccountQueues:
    """The slots of all accounts.

    Args:
        config: `streams_per_account` (0 is no limit), `queue_per_account` (counted by each process
            for itself) and `queue_seconds`.
        waiting: the metric of waiting turns.
        leases: shared by all processes; None if this one is alone.
    """

    def __init__(self, config: UpstreamConfig, waiting: Gauge, leases: Leases | None) -> None:
        self._streams = config.streams_per_account
        self._queue = config.queue_per_account
        self._seconds = config.queue_seconds
        self._waiting = waiting
        self._leases = leases
        self._lines: dict[str, _Line] = {}
        self._parties: dict[tuple[str, str], _RequestTurns] = {}

    def slot(self, account: str, party: str = "") -> AbstractAsyncContextManager[None]:
        """Hold one of the account's slots, waiting for it if need be.

        Args:
            account: whose slot it is.
            party: names the turns of one request. They stand in line as one: each waits until the
                one before it has its slot, and only the first may be refused.

        Raises:
            QueueFullError: too many turns wait already, or the wait took too long.
        """
        if not self._streams:
            return _UNLIMITED
        until = asyncio.get_running_loop().time() + self._seconds
        return self._slot_of(account, party, until) if party else _Slot(self, account, until)

    @asynccontextmanager
    async def _slot_of(self, account: str, party: str, until: float) -> AsyncGenerator[None, None]:
        """Hold a slot for one of the turns of a request."""
        async with self._member((account, party), until) as together, AsyncExitStack() as held:
            async with together.line:
                await held.enter_async_context(_Slot(self, account, together.until))
                together.until = None
            yield

    @asynccontextmanager
    async def _member(
        self, key: tuple[str, str], until: float
    ) -> AsyncGenerator[_RequestTurns, None]:
        """Join the turns of one request for as long as the block lasts."""
        together = self._parties.setdefault(key, _RequestTurns(until))
        together.size += 1
        try:
            yield together
        finally:
            together.size -= 1
            if not together.size:
                self._parties.pop(key, None)

    async def take(self, account: str, until: float | None) -> Lease | None:
        """Take a slot, waiting until `until` on the event loop's clock, or for ever if None.

        Returns:
            Its lease, if processes share a store; pass it to `release`, or None.
        """
        line = self._lines.get(account)
        if line is None:
            line = self._lines[account] = _Line()
        since = None  # when the wait began, if there is one
        if line.running < self._streams and not line.waiting:
            line.running += 1
        else:
            since = asyncio.get_running_loop().time()
            await self._wait(line, until)
        if self._leases is None:
            return None
        lease = self._leases.lease(account)
        try:
            now = asyncio.get_running_loop().time()
            since = now if since is None else since
            if not await self._leases.acquire(lease, self._streams, now - since):
                await self._wait_for(self._leases, lease, line, since, until)
        except BaseException:
            self.release(account, lease)
            raise
        return lease

    def release(self, account: str, lease: Lease | None) -> None:
        """Give a slot back, to the next turn in line."""
        if lease is not None and self._leases is not None:
            self._leases.give_back(lease)
        line = self._lines[account]
        self._pass_on(line)
        if line.running == 0 and not line.waiting:
            del self._lines[account]

    async def _wait(self, line: _Line, until: float | None) -> None:
        if until is not None:
            self._check_room(line)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.waiting.append(turn)
        try:
            async with self._waiting_until(until):
                await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self._pass_on(line)  # the slot came just as the wait ended
            elif turn in line.waiting:
                line.waiting.remove(turn)
            raise

    async def _wait_for(
        self, leases: Leases, lease: Lease, line: _Line, since: float, until: float | None
    ) -> None:
        """Wait for a lease that was refused, or refuse the turn if the line is full."""
        if until is not None and line.length >= self._queue:
            # The slot that the turn before gave back may still be on its way to the store.
            await asyncio.sleep(GIVE_BACK_SECONDS)
            if await leases.acquire(lease, self._streams, GIVE_BACK_SECONDS):
                return
            self._check_room(line)
        line.leasing += 1
        try:
            async with self._waiting_until(until):
                await leases.wait(lease, self._streams, since)
        finally:
            line.leasing -= 1

    def _check_room(self, line: _Line) -> None:
        if line.length < self._queue:
            return
        message = (
            f"Rate limit: {self._streams} answers of this account are being written and "
            f"{line.length} more are waiting; please try again shortly."
        )
        raise QueueFullError(message, retry_after_seconds=min(self._seconds, 30.0))

    @asynccontextmanager
    async def _waiting_until(self, until: float | None) -> AsyncGenerator[None, None]:
        """Count a waiting turn, and end its wait at `until` on the event loop's clock."""
        self._waiting.inc()
        try:
            async with asyncio.timeout_at(until):
                yield
        except TimeoutError:
            message = (
                f"Rate limit: the answers of this account that came before were not done "
                f"within {self._seconds:g} seconds; please try again shortly."
            )
            raise QueueFullError(message, retry_after_seconds=10.0) from None
        finally:
            self._waiting.dec()

    def _pass_on(self, line: _Line) -> None:
        """Pass the slot to the next turn in line, or free it."""
        while line.waiting:
            turn = line.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        line.running -= 1


class _Slot(AbstractAsyncContextManager[None]):
    """A slot of an account, held while the block runs; `until` as for `take`."""

    def __init__(self, queues: AccountQueues, account: str, until: float | None) -> None:
        self._queues = queues
        self._account = account
        self._until = until
        self._lease: Lease | None = None

    @override
    async def __aenter__(self) -> None:
        self._lease = await self._queues.take(self._account, self._until)

    @override
    async def __aexit__(self, *_: object) -> None:
        self._queues.release(self._account, self._lease)
