"""A clock that jumps over waits, for tests in which everything happens on one event loop.

When nothing is ready, the loop's time moves to the next timer at once: a test may wait for a minute,
and whether the machine is busy makes no difference to what is earlier and what is later. Work in
threads and other processes is not seen, so a test of those cannot use it.
"""

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

LOOK_SECONDS = 0.002  # of real time, in which bytes that were sent over loopback arrive


class JumpingSelector(selectors.DefaultSelector):
    """A selector that counts the time it was asked to wait, in place of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.skipped_seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        look = timeout if timeout is None else min(timeout, LOOK_SECONDS)
        ready = super().select(look)
        if not ready and timeout is not None and look is not None:
            self.skipped_seconds += timeout - look
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock is ahead by all that its selector has skipped."""

    def __init__(self) -> None:
        self._jumping = JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return super().time() + self._jumping.skipped_seconds


def on_jumping_clock(
    test: Callable[..., Coroutine[Any, Any, None]],
) -> Callable[..., None]:
    """Run a coroutine test on a `JumpingLoop`; it cannot have fixtures that are coroutines."""

    @functools.wraps(test)
    def run(**fixtures: Any) -> None:
        with asyncio.Runner(loop_factory=JumpingLoop) as runner:
            runner.run(test(**fixtures))

    return run
