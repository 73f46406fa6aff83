"""What runs for callers now, and how it ends when the gateway stops: turns of any upstream, and calls.

open -- drain(seconds) --> draining: nothing new is let in; what runs goes on
after `seconds`, what still runs is told to end
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

from service.vocabulary.errors import ShutdownError


class Stoppable(Protocol):
    """Work that can be told to end."""

    def shut_down(self) -> None:
        """End the work, because this gateway is being stopped."""


Work = TypeVar("Work", bound=Stoppable)


class RunningWork(Generic[Work]):
    """Everything of one kind that runs in this process."""

    def __init__(self) -> None:
        self._running: set[Work] = set()
        self._is_draining = False
        self._idle = asyncio.Event()
        self._idle.set()

    def check_open(self) -> None:
        """Check that new work is let in.

        Raises:
            ShutdownError: this gateway is being stopped.
        """
        if self._is_draining:
            raise ShutdownError("This gateway is being stopped; please send the request again.")

    @contextmanager
    def running(self, work: Work) -> Iterator[None]:
        """Count the work while the block runs; work that begins while draining is told to end."""
        self._running.add(work)
        self._idle.clear()
        if self._is_draining:
            work.shut_down()
        try:
            yield
        finally:
            self._running.discard(work)
            if not self._running:
                self._idle.set()

    async def drain(self, seconds: float) -> None:
        """Let nothing new in, wait up to `seconds` for what runs, and tell the rest to end."""
        self._is_draining = True
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            for work in self._running:
                work.shut_down()
