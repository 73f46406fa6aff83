"""What runs for callers now, and how it ends when the gateway stops: turns of any upstream, and calls.

open -- drain(seconds) --> draining: what was let in goes on, and so does a request that had come
                           before and only now gets here; anything newer is refused
     -- seconds later --> over: work is told to end, also when it only now begins
"""

import asyncio
from contextlib import AbstractContextManager
from typing import Any, Generic, Protocol, TypeVar

from typing_extensions import override

from service.vocabulary.errors import ShutdownError


class Stoppable(Protocol):
    """Work that can be told to end."""

    def shut_down(self) -> None:
        """End the work, because this gateway is being stopped."""


Work = TypeVar("Work", bound=Stoppable)


class RunningWork(Generic[Work]):
    """Everything of one kind that runs in this process."""

    def __init__(self) -> None:
        self._admitted = 0
        self._running: set[Work] = set()
        self._drained_at: float | None = None  # on the event loop's clock
        self._is_over = False
        self._idle = asyncio.Event()
        self._idle.set()

    def admitted(self, received_at: float | None = None) -> AbstractContextManager[None]:
        """Return a context that lets a request in; a drain waits for its block.

        Args:
            received_at: when the request came, on the event loop's clock; None counts as now.

        Raises:
            ShutdownError: this gateway was being stopped by then.
        """
        return _Admitted(self, received_at)

    def let_in(self, received_at: float | None) -> None:
        """Let a request in, if it may come in; see `admitted`."""
        if self._drained_at is not None and (
            received_at is None or received_at >= self._drained_at
        ):
            raise ShutdownError("This gateway is being stopped; please send the request again.")
        self._admitted += 1
        self._idle.clear()

    def let_out(self) -> None:
        """Note that a request which was let in is done."""
        self._admitted -= 1
        if not self._admitted:
            self._idle.set()

    def begin(self, work: Work) -> None:
        """Take the work of an admitted request, so that it can be told to end; pass it to `end`."""
        self._running.add(work)
        if self._is_over:
            work.shut_down()

    def end(self, work: Work) -> None:
        """Note that work is done."""
        self._running.discard(work)

    async def drain(self, seconds: float) -> None:
        """Let nothing new in, wait up to `seconds` for what is in, and tell the rest to end."""
        self._drained_at = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            self._is_over = True
            for work in self._running:
                work.shut_down()


class _Admitted(AbstractContextManager[None]):
    """See `RunningWork.admitted`."""

    def __init__(self, running: RunningWork[Any], received_at: float | None) -> None:
        self._running = running
        self._received_at = received_at

    @override
    def __enter__(self) -> None:
        self._running.let_in(self._received_at)

    @override
    def __exit__(self, *_: object) -> None:
        self._running.let_out()
