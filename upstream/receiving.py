"""From the chunks of a turn's bodies to its deltas; text takes the short way where there is one.

chunk -> Reader -> Answer -> batch ──▶ whoever reads `deltas`
└─────▶ an `Outlet`, at once, while that reader waits
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from service.events import AnswerText, BodyEnd, BodyEnded, Delta, ReasoningText
from service.pipeline import Answer, Reader
from service.ports import Outlet
from upstream.client import TurnBody

_TEXTS = (AnswerText, ReasoningText)


class Receiver:
    """Reads the bodies of one turn, one after the other.

    Args:
        reader: the stages from chunks to events.
        answer: the stages from events to deltas.
        outlet: where text can go at once, if anywhere.
    """

    def __init__(self, reader: Reader, answer: Answer, outlet: Outlet | None) -> None:
        self.reader = reader
        self.answer = answer
        self._outlet = outlet
        self._left: list[Delta] = []  # of a chunk that the outlet did not want
        self._fault: Exception | None = None

    async def deltas(self, body: TurnBody) -> AsyncGenerator[list[Delta], None]:
        """Yield what a body brings, one batch a read; the last one has its end."""
        arrived = None if self._outlet is None else self._arrived
        async with aclosing(body.chunks(self._progress, self._patience, arrived)) as chunks:
            async for chunk in chunks:
                if batch := self._deltas_of(chunk) if chunk else self._take_left():
                    yield batch
        end = self.reader.end(body.ended or BodyEnded(BodyEnd.CUT))
        if batch := [delta for event in end for delta in self.answer.feed(event)]:
            yield batch

    def _progress(self) -> int:
        return self.reader.consumed

    def _patience(self) -> float | None:
        return self.answer.patience_seconds

    def _deltas_of(self, chunk: bytes) -> list[Delta]:
        return [delta for event in self.reader.feed(chunk) for delta in self.answer.feed(event)]

    def _arrived(self, chunk: bytes) -> bool:
        """Take a chunk while the reader of `deltas` waits; return whether to wake it."""
        try:
            self._left = batch = self._deltas_of(chunk)
            is_text = bool(batch) and all(type(delta) in _TEXTS for delta in batch)
            if is_text and self._outlet is not None and self._outlet.take(batch):
                self._left = []
        except Exception as error:  # noqa: BLE001 - a bug: raised again where the answer is awaited
            self._fault = error
            return True
        return bool(self._left)

    def _take_left(self) -> list[Delta]:
        if self._fault is not None:
            raise self._fault
        left, self._left = self._left, []
        return left
