"""The line that joins the stages, and the one generic async generator that lifts them.

    chunk -> [sse, skip superseded, parse] -> UpstreamEvent
          -> [translate, markers]          -> Delta  -> assets (async, in upstream/)
          -> [bot format, limit]           -> Rendered -> encode

What passes between lifted stages is a batch: all that one read of the upstream
produced, so that one read becomes one write to the caller.
"""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Protocol, TypeVar

In = TypeVar("In", contravariant=True)
Out = TypeVar("Out", covariant=True)


class Stage(Protocol[In, Out]):
    """A pure step: one item in, zero or more out, never waits."""

    def feed(self, item: In, /) -> Iterable[Out]:
        """Return what this item produces."""


I_ = TypeVar("I_")
O_ = TypeVar("O_")


async def through(
    source: AsyncGenerator[list[I_], None], stage: Stage[I_, O_]
) -> AsyncGenerator[list[O_], None]:
    """Lift a stage over batches; batches that became empty are not passed on."""
    async with aclosing(source):
        async for batch in source:
            if produced := [piece for item in batch for piece in stage.feed(item)]:
                yield produced
