"""The checks of `/readyz`: each runs once at a time, and its result is reused for a moment."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from msgspec import Struct

CHECK_SECONDS = 5.0  # for each part: orchestrators seldom wait longer for a probe
FRESH_SECONDS = 1.0  # for how long a result is reused


class Finding(Struct, frozen=True):
    """The result of a check: `problem` in one sentence or None, and the time it took."""

    problem: str | None
    seconds: float


class Check:
    """Checks whether a part of the service works.

    While a check has not returned, no second one is started, so that a disk that hangs costs one
    thread, however often it is probed.

    Args:
        ask: returns why the part cannot be used now, in one sentence, or None.
        silence: the problem that is reported when `ask` does not return in time.
    """

    def __init__(self, ask: Callable[[], Awaitable[str | None]], silence: str) -> None:
        self._ask = ask
        self._silence = silence
        self._asking: asyncio.Task[Finding] | None = None
        self._done_at = 0.0

    async def find(self) -> Finding:
        """Return the current result, within `CHECK_SECONDS`."""
        task, began = self._asking, time.monotonic()
        if task is None or (task.done() and began - self._done_at > FRESH_SECONDS):
            task = self._asking = asyncio.get_running_loop().create_task(self._found())
        done, _ = await asyncio.wait({task}, timeout=CHECK_SECONDS)
        if not done:
            return Finding(self._silence, time.monotonic() - began)
        return task.result()

    async def close(self) -> None:
        """Cancel a running check."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait({self._asking})

    async def _found(self) -> Finding:
        began = time.monotonic()
        problem = await self._ask()
        self._done_at = time.monotonic()
        return Finding(problem, self._done_at - began)
