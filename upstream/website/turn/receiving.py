"""The bytes of a turn's bodies turned into its deltas.

chunk -> Reader -> Answer -> batch ──▶ the task that reads `deltas`
└────▶ the fast lane, at once, if there is one and that task is waiting
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

from service.pipeline.joined import Answer, Reader
from service.ports import Lane
from service.vocabulary.events import BodyEnd, BodyEnded, Delta
from upstream.http.answer_body import AnswerBody


class Receiver:
    """Reads the bodies of one turn, one after the other.

    Args:
        reader: the stages from chunks to events.
        answer: the stages from events to deltas.
        lane: may take text at once; None for no fast lane.
    """

    def __init__(self, reader: Reader, answer: Answer, lane: Lane | None) -> None:
        self.reader = reader
        self.answer = answer
        self._lane = lane
        if lane is not None:
            lane.begin(reader, answer)

    async def deltas(
        self, body: AnswerBody, *, is_resumed: bool = False
    ) -> AsyncGenerator[list[Delta], None]:
        """Yield the deltas of a body, a batch per read (per event if paced), and its end last.

        A resumed body that ends without an event counts as one that could not be resumed.
        """
        before = self.reader.consumed
        take = None if self._lane is None else self._lane.take
        async with aclosing(body.chunks(self._progress, self._patience, take)) as chunks:
            async for chunk in chunks:
                for number, batch in enumerate(self._batches(chunk)):
                    if number:
                        await asyncio.sleep(0)  # one event may be long: others come between
                    yield batch
        for batch in self._batches(self._lane.end() if self._lane else b""):
            yield batch
        ended = body.ended or BodyEnded(BodyEnd.CUT)
        is_bare = self.reader.consumed == before and ended.how in (BodyEnd.CLEAN, BodyEnd.CUT)
        ends = self.reader.end(BodyEnded(BodyEnd.UNRESUMED) if is_resumed and is_bare else ended)
        if batch := [delta for event in ends for delta in self.answer.feed(event)]:
            yield batch

    def _progress(self) -> int:
        return self.reader.consumed + (self._lane.count if self._lane else 0)

    def _patience(self) -> float | None:
        return self.answer.patience_seconds

    def _batches(self, chunk: bytes) -> Iterator[list[Delta]]:
        """Yield the deltas of a chunk: one batch, or one per event if the answer is paced.

        A long text full of markers comes in several, so that other tasks can run in between.
        """
        made = [] if self._lane is None else self._lane.left()
        for event in self.reader.feed(chunk):
            parts = self.answer.parts(event)
            made += next(parts, [])
            for part in parts:
                if made:
                    yield made
                made = part
            if made and self.reader.is_paced:
                yield made
                made = []
        if made:
            yield made
