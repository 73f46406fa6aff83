"""Where an answer goes: the interface that pushes it, batch by batch, from the upstream to the caller."""

from typing import Protocol, TypeVar

Item = TypeVar("Item")


class Sink(Protocol[Item]):
    """Where an answer goes, batch by batch, on its way from the upstream to the caller.

    Whoever feeds it goes on while `is_ready`, and otherwise awaits `ready` before the next batch
    and before it returns. So only `ready` waits: for a slow caller, a pause, or a file to be
    fetched; `feed` may run in a callback of the event loop.
    """

    def feed(self, batch: list[Item], /) -> None:
        """Take a batch. Never waits, and holds what it cannot pass on yet until `ready`."""

    def is_ready(self) -> bool:
        """Tell whether nothing is held, so that another batch can be fed at once."""

    async def ready(self) -> None:
        """Pass on what is held, and wait until another batch can be fed."""

    def is_over(self) -> bool:
        """Tell whether the answer has ended here; nothing more is to be fed."""


async def put(sink: Sink[Item], batch: list[Item]) -> None:
    """Feed a batch from a task, which waits for as long as the sink is not ready."""
    await sink.ready()
    if not sink.is_over():
        sink.feed(batch)
        await sink.ready()
