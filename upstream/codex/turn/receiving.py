"""From the bytes of a turn of Codex's back end to its deltas: its stages of the line.

bytes -> ReadCodex -> CodexAnswer, or DrawnPictures -> batch
"""

from collections.abc import Iterable, Iterator

from service.stages.codex.answer import CodexAnswer
from service.stages.codex.drawn import DrawnPictures
from service.stages.codex.events import CodexEvent, ReadCodex
from service.vocabulary.events import (
    AnswerText,
    BodyEnded,
    Delta,
    FunctionArguments,
    ReasoningText,
)
from upstream.line.line import SLICE_BYTES, slices


class CodexReceiver:
    """Reads the body of one try of a turn.

    Args:
        reader: the stage from chunks to events.
        answer: the stage from events to deltas.
    """

    def __init__(self, reader: ReadCodex, answer: CodexAnswer | DrawnPictures) -> None:
        self.answer = answer
        self._reader = reader

    def batches(self, data: bytes) -> Iterator[list[Delta]]:
        """Return the deltas of a read, in one batch unless it is paced or long."""
        is_short = len(data) <= SLICE_BYTES
        return self._batches(self._reader.feed(data)) if is_short else self._of_slices(data)

    def _of_slices(self, data: bytes) -> Iterator[list[Delta]]:
        for number, piece in enumerate(slices(data)):
            if number:
                yield []
            yield from self._batches(self._reader.feed(piece))

    def end(self, ended: BodyEnded) -> Iterator[list[Delta]]:
        """Yield the deltas of the end of the body."""
        return self._batches(self._reader.end(ended))

    def progress(self) -> int:
        """Return the number of events read so far."""
        return self._reader.consumed

    def patience(self) -> None:
        """Return None: silence ends a turn after the usual seconds only."""

    def repeats(self) -> bool:
        """Return False: each event has its own part of the text."""
        return False

    def _batches(self, events: Iterable[CodexEvent]) -> Iterator[list[Delta]]:
        deltas = [delta for event in events for delta in self.answer.feed(event)]
        if not deltas:
            return
        if not self._reader.is_paced:
            yield joined(deltas) if len(deltas) > 1 else deltas
            return
        for delta in deltas:
            yield [delta]


def joined(deltas: list[Delta]) -> list[Delta]:
    """Return the deltas of one read, neighbouring pieces of one text as one."""
    kept: list[Delta] = []
    texts: list[str] = []  # of the run that the last of `kept` stands for
    for delta in deltas:
        match kept[-1] if kept else None, delta:
            case (AnswerText(), AnswerText(text)) | (ReasoningText(), ReasoningText(text)):
                texts.append(text)
            case FunctionArguments(index), FunctionArguments(other, text) if index == other:
                texts.append(text)
            case _:
                _close(kept, texts)
                kept.append(delta)
    _close(kept, texts)
    return kept


def _close(kept: list[Delta], texts: list[str]) -> None:
    """Put the texts of a run behind that of the delta it begins with, the last of `kept`."""
    if not texts:
        return
    match kept[-1]:
        case AnswerText(text):
            kept[-1] = AnswerText(text + "".join(texts))
        case ReasoningText(text):
            kept[-1] = ReasoningText(text + "".join(texts))
        case FunctionArguments(index, text):
            kept[-1] = FunctionArguments(index, text + "".join(texts))
        case _:
            pass
    texts.clear()
