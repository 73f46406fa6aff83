"""Runs jobs beside the application."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

_log = logging.getLogger("gateway.app")


@asynccontextmanager
async def background(*jobs: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run jobs beside the application; they are cancelled and awaited at the end.

    It is not a TaskGroup, because there a failed job would end the whole process.
    """
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(job()) for job in jobs]
    for task in tasks:
        task.add_done_callback(_log_failure)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("a background job failed", exc_info=error)
