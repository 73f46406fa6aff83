"""The line that pushes: from the bytes of a body, through its stages, into the sink of the answer.

Theory of operation
-------------------

    read callback ──▶ Stages.batches(bytes) ──▶ Sink.feed(batch) ──▶ … ──▶ transport.write

Nearly all of an answer takes this way within the callback that brings its bytes. No task is woken
for it, nothing is queued, and the text is with the kernel when the callback returns. The request's
task meanwhile waits on one future.

*What cannot be done in a callback* is done by that task: a file is fetched, the head of the answer
is sent, a slow caller is waited for, a stage has much to do. All of these look alike here: the sink
`is_ready` no more, or there is another batch of the same read. Then the line is handed over to the
task, and back when the task has worked off what there was. Meanwhile nothing more is read, so order
is kept without a queue: there is one who feeds the sink at any time.

| state | who feeds the sink | bytes that arrive | ends | next |
| --- | --- | --- | --- | --- |
| flowing | the callback | are fed at once | when the sink is not ready, after one batch of several, at the body's end, or with a fault | handed over |
| handed over | the task | stay in the kernel; those that were on their way wait in `_late` | when all is fed and the sink is ready | flowing, or over |
| over | | are not read | | |

It is over when the sink is, or when the end of the body has been fed. Then `run` returns, and the
connection is closed unless the body was complete. A fault of a stage is raised by `run`.

*It is bounded.* What waits while the line is handed over: the rest of one read, in the stages; one
more read at most; and what the sink holds, which is one batch.
"""

import asyncio
from collections.abc import Iterator
from itertools import chain
from typing import Generic, Protocol, TypeVar

from service.sink import Sink
from service.vocabulary.events import BodyEnded
from upstream.line.answer_body import BodyReader

Item = TypeVar("Item")

# A read of nothing but tiny events of kinds of their own takes some milliseconds for so many bytes.
SLICE_BYTES = 16 * 1024


class Body(Protocol):
    """A body that is pushed into its reader: `answer_body.AnswerBody`."""

    def start(self, reader: BodyReader, /) -> None:
        """Push the body, from now until its end or until `close`."""

    def pause(self) -> None:
        """Read nothing more for now."""

    def resume(self) -> None:
        """Read on."""

    def close(self) -> None:
        """Close the connection at once, unless the body is complete."""


class Stages(Protocol[Item]):
    """The stages of one body, which do most of their work while the batches are iterated."""

    def batches(self, data: bytes, /) -> Iterator[list[Item]] | None:
        """Return the batches of a read: usually one, several if others shall run in between.

        An empty batch says that the work is long, and nothing has come of it yet. None: the read
        brings nothing for the sink, which is then as ready as it was.
        """

    def end(self, ended: BodyEnded, /) -> Iterator[list[Item]]:
        """Yield the batches of the end of the body."""

    def progress(self) -> int:
        """Return the number of events read so far."""

    def patience(self) -> float | None:
        """Return the seconds of silence allowed from now on, None for the usual."""

    def repeats(self) -> bool:
        """Tell whether the body repeats all that it has said with each addition."""


def slices(data: bytes, first: int = SLICE_BYTES) -> Iterator[bytes]:
    """Yield a read in the pieces that stages take at once, cut between two events where it can be."""
    at, size = 0, first
    while len(data) - at > size:
        end = data.rfind(b"\n\n", at, at + size) + 2
        end = end if end > at + 1 else at + size
        yield data[at:end]
        at, size = end, SLICE_BYTES
    yield data[at:] if at else data


class Line(Generic[Item]):
    """One body on its way to a sink; `run` it once.

    Args:
        body: the body, of which nothing has been read.
        stages: make batches of its bytes.
        sink: takes the batches.
    """

    def __init__(self, body: Body, stages: Stages[Item], sink: Sink[Item]) -> None:
        self.progress = stages.progress
        self.patience = stages.patience
        self.repeats = stages.repeats
        self._body = body
        self._stages = stages
        self._batches = stages.batches
        self._sink = sink
        self._handed_over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._is_flowing = True
        self._waiting: Iterator[list[Item]] = iter(())  # batches for the task
        self._late: list[bytes] = []  # bytes for the task
        self._ended: BodyEnded | None = None  # an end for the task
        self._is_ended = False  # whether the end has been fed
        self._fault: Exception | None = None

    async def run(self) -> None:
        """Push the body to its end, or to that of the sink, and close it."""
        try:
            self._body.start(self)
            while True:
                await self._handed_over
                if await self._work_off():
                    return
                self._handed_over = asyncio.get_running_loop().create_future()
                self._is_flowing = True
                self._body.resume()
        finally:
            self._body.close()

    # --- flowing: called back, by the body --------------------------------------

    def on_bytes(self, data: bytes) -> None:
        """Feed what a read brings."""
        if not self._is_flowing:
            self._late.append(data)
            return
        try:
            if (batches := self._batches(data)) is not None:
                self._push(batches)
        except Exception as error:  # noqa: BLE001 - a bug: the task raises it
            self._fault = error
            self._hand_over()

    def on_end(self, ended: BodyEnded) -> None:
        """Have the task feed the end."""
        self._ended = ended
        if self._is_flowing:
            self._hand_over()

    def _push(self, batches: Iterator[list[Item]]) -> None:
        """Feed a batch, and leave the others to the task."""
        sink = self._sink
        if batch := next(batches, None):
            sink.feed(batch)
        if sink.is_over() or not sink.is_ready():
            self._waiting = batches
            self._hand_over()
        elif (second := next(batches, None)) is not None:
            self._waiting = chain((second,), batches)
            self._hand_over()

    def _hand_over(self) -> None:
        self._is_flowing = False
        self._body.pause()
        if not self._handed_over.done():
            self._handed_over.set_result(None)

    # --- handed over: the request's task ----------------------------------------

    async def _work_off(self) -> bool:
        """Feed all that waits, and tell whether the line is over."""
        sink = self._sink
        while not sink.is_over():
            if self._fault is not None:
                raise self._fault
            await sink.ready()
            if (batch := next(self._waiting, None)) is not None:
                if batch and not sink.is_over():
                    sink.feed(batch)
                await asyncio.sleep(0)  # a batch may have taken long: others run in between
            elif self._late:
                data, self._late = b"".join(self._late), []
                self._waiting = self._batches(data) or iter(())
            elif self._is_ended or self._ended is None:
                break
            else:
                self._is_ended = True
                self._waiting = self._stages.end(self._ended)
        return self._is_ended or sink.is_over()
