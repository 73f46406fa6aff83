"""Turns that push, for tests that read batches, and scripts of batches, for turns that push."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from service.ports import Lane, Turns
from service.sink import Sink, put
from service.vocabulary.credentials import Credential
from service.vocabulary.events import Delta
from service.vocabulary.requests import ChatRequest


class Kept:
    """A sink that keeps all batches, and is never full."""

    lane: Lane | None = None

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []

    def feed(self, batch: list[Any]) -> None:
        self.batches.append(batch)

    def is_ready(self) -> bool:
        return True

    async def ready(self) -> None:
        """Nothing is held."""

    def is_over(self) -> bool:
        return False


class _OneByOne(Kept):
    """A sink that is full with one batch until it is taken."""

    def __init__(self) -> None:
        super().__init__()
        self.news = asyncio.Condition()

    def is_ready(self) -> bool:
        return not self.batches

    async def ready(self) -> None:
        async with self.news:
            self.news.notify_all()
            await self.news.wait_for(lambda: not self.batches)


async def pulled(
    turns: Turns, request: ChatRequest | None, credential: Credential
) -> AsyncGenerator[list[Delta], None]:
    """Yield the batches of a turn, which waits until each is taken; closing it cancels the turn."""
    sink = _OneByOne()
    is_over = False

    async def run() -> None:
        nonlocal is_over
        try:
            await turns.run(request, credential, sink)  # type: ignore[arg-type]
        finally:
            is_over = True
            async with sink.news:
                sink.news.notify_all()

    task = asyncio.get_running_loop().create_task(run())
    try:
        while True:
            async with sink.news:
                await sink.news.wait_for(lambda: sink.batches or is_over)
                batches, sink.batches = sink.batches, []
                sink.news.notify_all()
            if not batches:
                break
            for batch in batches:
                yield batch
        await task
    finally:
        task.cancel()
        await asyncio.wait({task})


async def pushed(batches: AsyncGenerator[list[Any], None], sink: Sink[Any]) -> None:
    """Push a script into a sink; it is closed when the sink is over."""
    async with aclosing(batches):
        async for batch in batches:
            await put(sink, batch)
            if sink.is_over():
                return
