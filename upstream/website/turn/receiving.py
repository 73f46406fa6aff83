"""From the bytes of a turn's bodies to its deltas.

chunk -> Reader -> Answer -> batch ──▶ whoever reads `deltas`
└────▶ the fast lane, at once, where there is one and while that reader waits
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from service.pipeline.joined import Answer, Reader
from service.ports import Lane
from service.vocabulary.events import BodyEnd, BodyEnded, Delta
from upstream.website.turn.client import TurnBody


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

    async def deltas(self, body: TurnBody) -> AsyncGenerator[list[Delta], None]:
        """Yield what a body brings, one batch a read; the last one has its end."""
        take = None if self._lane is None else self._lane.take
        async with aclosing(body.chunks(self._progress, self._patience, take)) as chunks:
            async for chunk in chunks:
                if batch := self._deltas_of(chunk):
                    yield batch
        if self._lane is not None and (batch := self._deltas_of(self._lane.end())):
            yield batch
        ends = self.reader.end(body.ended or BodyEnded(BodyEnd.CUT))
        if batch := [delta for event in ends for delta in self.answer.feed(event)]:
            yield batch

    def _progress(self) -> int:
        return self.reader.consumed + (self._lane.count if self._lane else 0)

    def _patience(self) -> float | None:
        return self.answer.patience_seconds

    def _deltas_of(self, chunk: bytes) -> list[Delta]:
        left = [] if self._lane is None else self._lane.left()
        return [*left, *(d for event in self.reader.feed(chunk) for d in self.answer.feed(event))]
