"""The bytes of a turn's bodies turned into its deltas: the website's stages of the line.

bytes -> FastLane, if there is one -> Reader -> Answer -> batch
"""

from collections.abc import Iterator

from service.pipeline.joined import Answer, Reader
from service.ports import Lane
from service.vocabulary.events import BodyEnd, BodyEnded, Delta
from upstream.line.line import SLICE_BYTES, slices
from upstream.line.tap import LONG_READ_BYTES

_FIRST_BYTES = 4 * 1024  # of a long read: after a few events the lane may take the rest
_MAX_ASKED_BYTES = 2 * LONG_READ_BYTES  # a read, with what the lane had kept of the one before


class Receiver:
    """Reads the bodies of one turn, one after the other.

    Args:
        reader: the stages from bytes to events.
        answer: the stages from events to deltas.
        lane: may take text at once; None for no fast lane.
    """

    def __init__(self, reader: Reader, answer: Answer, lane: Lane | None) -> None:
        self.reader = reader
        self.answer = answer
        self._lane = lane
        self._resumed_at: int | None = None  # the events that came before a resumed body
        if lane is not None:
            lane.begin(reader, answer)

    def follow(self) -> None:
        """Prepare for another body, in which the turn is resumed.

        If it ends without an event, the turn counts as one that could not be resumed.
        """
        self.reader.follow()
        self._resumed_at = self.reader.consumed

    def batches(self, data: bytes) -> Iterator[list[Delta]] | None:
        """Return the deltas of a read: one batch, or one per event if the answer is paced.

        A long read comes in several, and so does a long text full of markers, so that other tasks
        can run in between. None, as for nearly every read: the lane has taken it.
        """
        lane = self._lane
        if lane is None:
            return self._sliced(data, [])
        data = lane.take(data)
        if not (data or lane.left or lane.is_full):
            return None
        return self._sliced(data, lane.take_left())

    def end(self, ended: BodyEnded) -> Iterator[list[Delta]]:
        """Yield the deltas of what was incomplete, and of the end itself."""
        if self._lane is not None:
            tail = self._lane.end()
            yield from self._batches(tail, self._lane.take_left())
        is_bare = self.reader.consumed == self._resumed_at
        if is_bare and ended.how in (BodyEnd.CLEAN, BodyEnd.CUT):
            ended = BodyEnded(BodyEnd.UNRESUMED)
        batch = [delta for event in self.reader.end(ended) for delta in self.answer.feed(event)]
        if batch:
            yield batch

    def progress(self) -> int:
        """Return the number of events read so far."""
        return self.reader.consumed + (self._lane.count if self._lane else 0)

    def patience(self) -> float | None:
        """Return the seconds of silence allowed from now on, None for the usual."""
        return self.answer.patience_seconds

    def repeats(self) -> bool:
        """Tell whether each event repeats the whole text, as those of v0 do."""
        return self.reader.repeats

    def _sliced(self, data: bytes, made: list[Delta]) -> Iterator[list[Delta]]:
        """Return the batches of a read; the first begins with the deltas that were `made` before."""
        is_short = len(data) <= SLICE_BYTES
        return self._batches(data, made) if is_short else self._of_slices(data, made)

    def _of_slices(self, data: bytes, made: list[Delta]) -> Iterator[list[Delta]]:
        """Yield the batches of a long read; as soon as the answer only grows, the lane takes the rest."""
        # The lane is asked after each slice, and what is left is copied for it: of a read, no more.
        lane = self._lane if len(data) <= _MAX_ASKED_BYTES else None
        pieces, left = slices(data, _FIRST_BYTES), len(data)
        while left:
            piece = next(pieces)
            left -= len(piece)
            yield from self._batches(piece, made)
            made = []
            if left and lane is not None:
                data, made = lane.take_rest(data[-left:]), lane.take_left()
                pieces, left = slices(data), len(data)
            if left or (lane is not None and lane.is_full):
                yield []
        if made:
            yield made

    def _batches(self, data: bytes, made: list[Delta]) -> Iterator[list[Delta]]:
        for event in self.reader.feed(data):
            for number, part in enumerate(self.answer.parts(event)):
                if number and made:
                    yield made
                    made = []
                made += part
            if made and self.reader.is_paced:
                yield made
                made = []
        if made:
            yield made
