"""From the bytes of a turn's bodies to its deltas.

chunk -> Reader -> Answer -> batch ──▶ whoever reads `deltas`
└────▶ the fast lane, at once, where there is one and while that reader waits
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

from service.pipeline.joined import Answer, Reader
from service.ports import Lane
from service.vocabulary.events import BodyEnd, BodyEnded, Delta
from upstream.http.turn_body import TurnBody


class Receiver:
    """Reads the bodies of one turn, one after the other.

    Args:
        reader: the stages from chunks to events.
        answer: the stages from events to deltas.
        lane: which text may take, if any.
    """

    def __init__(self, reader: Reader, answer: Answer, lane: Lane | None) -> None:
        self.reader = reader
        self.answer = answer
        self._lane = lane
        if lane is not None:
            lane.begin(reader, answer)

    async def deltas(
        self, body: TurnBody, *, is_resumed: bool = False
    ) -> AsyncGenerator[list[Delta], None]:
        """Yield what a body brings, one batch a read unless it is paced; the last has its end.

        A resumed body that ends without an event resumes nothing.
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
        """Yield what a chunk brings: one batch, or one for each event of a paced answer.

        An event with a long text is several as well.
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
