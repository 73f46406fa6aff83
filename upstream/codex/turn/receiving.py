"""From the bytes of a turn of Codex's back end to its deltas.

chunk -> ReadCodex -> CodexAnswer, or DrawnPictures -> batch
"""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing

from service.stages.codex.answer import CodexAnswer
from service.stages.codex.drawn import DrawnPictures
from service.stages.codex.events import CodexEvent, ReadCodex
from service.vocabulary.events import (
    AnswerText,
    BodyEnd,
    BodyEnded,
    Delta,
    FunctionArguments,
    ReasoningText,
)
from upstream.http.answer_body import AnswerBody


class CodexReceiver:
    """Reads the body of one try of a turn.

    Args:
        reader: the stage from chunks to events.
        answer: the stage from events to deltas.
    """

    def __init__(self, reader: ReadCodex, answer: CodexAnswer | DrawnPictures) -> None:
        self.answer = answer
        self._reader = reader

    async def deltas(self, body: AnswerBody) -> AsyncGenerator[list[Delta], None]:
        """Yield what the body brings, one batch a read unless it is paced; the last has its end."""
        async with aclosing(body.chunks(self._progress, _no_patience)) as chunks:
            async for chunk in chunks:
                for batch in self._batches(self._reader.feed(chunk)):
                    yield batch
                if self.answer.ending.state.is_over:
                    return
        ended = body.ended or BodyEnded(BodyEnd.CUT)
        for batch in self._batches(self._reader.end(ended)):
            yield batch

    def _progress(self) -> int:
        return self._reader.consumed

    def _batches(self, events: Iterable[CodexEvent]) -> Iterable[list[Delta]]:
        deltas = [delta for event in events for delta in self.answer.feed(event)]
        if not deltas:
            return []
        return [[delta] for delta in deltas] if self._reader.is_paced else [joined(deltas)]


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


def _no_patience() -> None:
    return None
