"""Writes calls into their log, in the background and in batches (spec 17).

Theory of operation
-------------------

A request only puts its call into a list. Calls of half a second are written together, and the log
is looked through now and then, so that it stays within its limits.

*Lost calls.* A store that fails is asked again every `PAUSE_SECONDS`. Meanwhile at most
`MAX_WAITING` calls of `MAX_WAITING_BYTES` wait; more are lost, and counted. Answers never wait for
the log.

*Unknown callers* have no gateway key, and the upstream did not take what they sent. Of
their calls only `UNKNOWN_A_MINUTE` are kept, or they could push all others out of the log.

*Tokens that are not counted yet*, of an answer that was cut or abandoned, are counted here, since
no answer waits for them any more.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from msgspec import Struct, structs

from service.ledger.ports import CallStore
from service.observing.metrics import Metrics
from service.observing.throttled import Throttled
from service.vocabulary.errors import StorageError
from service.vocabulary.ledger.calls import Call, CallLimits
from service.vocabulary.rendered import TokenCounts

BATCH = 500
GATHER_SECONDS = 0.5
PAUSE_SECONDS = 5.0  # after a failure of the store
TRIM_SECONDS = 60.0
CLOSE_SECONDS = 5.0
MAX_WAITING, MAX_WAITING_BYTES = 10_000, 16 * 1024 * 1024
MAX_UNCOUNTED = 200  # each holds its answer
UNKNOWN_A_MINUTE = 60
_CALL_BYTES = 500  # of a call in the store; more than it has
_MINUTE_SECONDS = 60.0

_log = logging.getLogger("gateway.calls")

Count = Callable[[], Awaitable[TokenCounts | None]]


class _Waiting(Struct):
    """A call that is not written yet; `count` tells its tokens if they are not counted."""

    call: Call
    count: Count | None = None

    @property
    def size_bytes(self) -> int:
        """The size of the call, at most and about."""
        return _CALL_BYTES + len(self.call.bodies or "")


class CallWriter:
    """The way of this process's calls into the log; `run` is the background work.

    Args:
        store: where the log is kept.
        limits: of the log.
        metrics: count what is lost and kept.
    """

    def __init__(self, store: CallStore, limits: CallLimits, metrics: Metrics) -> None:
        self._store = store
        self._limits = limits
        self._metrics = metrics
        self._waiting: deque[_Waiting] = deque()
        self._bytes = 0
        self._uncounted = 0
        self._has_calls = asyncio.Event()
        self._unknown: deque[float] = deque()  # when the last calls of unknown callers came
        self._throttled = Throttled()
        self._trim_at = 0.0  # on the event loop's clock
        self._untrimmed = 0  # bytes written since
        self._writing: asyncio.Future[bool] | None = None

    def note(self, call: Call, count: Count | None = None, *, is_known: bool = True) -> None:
        """Take a call; it is written soon.

        Args:
            call: to be written.
            count: tells the tokens of an answer that ended before they were counted.
            is_known: it came with a credential that is good.
        """
        if not is_known and self._is_too_often():
            self._metrics.calls_lost.labels("unknown_caller").inc()
            return
        waiting = _Waiting(call)
        size = self._bytes + waiting.size_bytes
        if len(self._waiting) >= MAX_WAITING or size > MAX_WAITING_BYTES:
            self._metrics.calls_lost.labels("store").inc()
            return
        if count is not None and self._uncounted < MAX_UNCOUNTED:
            waiting.count = count
            self._uncounted += 1
        self._bytes = size
        self._waiting.append(waiting)
        self._has_calls.set()

    async def run(self) -> None:
        """Write calls until cancelled."""
        while True:
            await self._has_calls.wait()
            if len(self._waiting) < BATCH:
                await asyncio.sleep(GATHER_SECONDS)
            self._has_calls.clear()
            # Shielded: a batch that is half written would be neither kept nor counted.
            self._writing = asyncio.ensure_future(self._write_all())
            if not await asyncio.shield(self._writing):
                await asyncio.sleep(PAUSE_SECONDS)

    async def close(self) -> None:
        """Write what waits, for at most `CLOSE_SECONDS`; what is left is lost."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                if self._writing is not None:
                    await self._writing
                await self._write_all()
        except TimeoutError:
            _log.warning("the log of calls did not close in time")
        if self._waiting:
            self._metrics.calls_lost.labels("store").inc(len(self._waiting))
            _log.warning("%d calls are lost, since their log was out of order", len(self._waiting))

    async def _write_all(self) -> bool:
        """Write everything that waits; tell whether the store took it."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            for waiting in batch:
                await self._count(waiting)
            try:
                await self._store.write([waiting.call for waiting in batch])
            except StorageError as error:
                self._failed(batch, error)
                return False
            written = sum(waiting.size_bytes for waiting in batch)
            self._bytes -= written
            await self._trim(written)
        return True

    async def _count(self, waiting: _Waiting) -> None:
        if waiting.count is None:
            return
        count, waiting.count = waiting.count, None
        self._uncounted -= 1
        try:
            counts = await count()
        except Exception:  # noqa: BLE001 - a bug there costs one count, not the whole log
            _log.exception("the tokens of request %s are not counted", waiting.call.request_id)
            return
        if counts is not None:
            waiting.call = with_tokens(waiting.call, counts)

    def _failed(self, batch: list[_Waiting], error: StorageError) -> None:
        self._waiting.extendleft(reversed(batch))
        self._has_calls.set()
        if self._throttled.is_due("write"):
            _log.warning("calls cannot be written, and wait: %s", error)

    async def _trim(self, written_bytes: int) -> None:
        """Keep the log within its limits, from time to time."""
        self._untrimmed += written_bytes
        now = asyncio.get_running_loop().time()
        is_much = self._untrimmed > self._limits.max_bytes // 50
        if now < self._trim_at and not is_much:
            return
        self._trim_at, self._untrimmed = now + TRIM_SECONDS, 0
        try:
            trimmed = await self._store.trim(self._limits)
        except StorageError as error:
            if self._throttled.is_due("trim"):
                _log.warning("old calls cannot be removed from their log: %s", error)
            return
        self._metrics.calls_kept.set(trimmed.kept_calls)
        self._metrics.calls_bytes.set(trimmed.kept_bytes)
        self._metrics.calls_removed.inc(trimmed.removed_calls)

    def _is_too_often(self) -> bool:
        now = asyncio.get_running_loop().time()
        while self._unknown and self._unknown[0] <= now - _MINUTE_SECONDS:
            self._unknown.popleft()
        if len(self._unknown) >= UNKNOWN_A_MINUTE:
            return True
        self._unknown.append(now)
        return False


def with_tokens(call: Call, counts: TokenCounts) -> Call:
    """Return a call with its tokens."""
    return structs.replace(
        call,
        prompt_tokens=counts.prompt_tokens,
        completion_tokens=counts.completion_tokens,
        cached_tokens=counts.cached_tokens,
        reasoning_tokens=counts.reasoning_tokens,
        is_estimated=counts.is_estimated,
    )
