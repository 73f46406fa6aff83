"""Rendered -> Rendered: an answer of items as one text, for dialects without items (spec 14.3).

Messages are separated by a blank line, and so are parts of the reasoning. Commentary on the way to
the answer (phase `commentary`) becomes reasoning, and is never joined to the answer; a turn with
nothing else repeats it as its answer. Offsets of citations become those of the whole text. An
answer without items passes unchanged.
"""

from collections.abc import Sequence

from msgspec import structs

from service.vocabulary.events import FunctionCallStarted, ReasoningText, TurnEnded, TurnFacts
from service.vocabulary.native import (
    MessageEnded,
    MessagePhase,
    MessageStarted,
    ReasoningPart,
    ReasoningStarted,
    RefusalText,
    TextAnnotated,
)
from service.vocabulary.rendered import AssetLinked, ContentCited, ContentText, Rendered

_GAP = "\n\n"


class Flatten:
    """Flattens one answer."""

    def __init__(self) -> None:
        self._chars = 0  # of the content
        self._begin = 0  # the start of the open message in the content
        self._is_commentary = False
        self._needs_gap = False  # a message began, and no separator was sent yet
        self._has_reasoning = False
        self._needs_reasoning_gap = False
        self._commentary: list[str] = []
        self._has_answer = False

    def feed(self, piece: Rendered) -> Sequence[Rendered]:
        """Return the flattened pieces; never waits."""
        if type(piece) is ContentText:
            return self._text(piece, piece.text)
        if type(piece) is TurnEnded:
            return self._end(piece)
        return (piece,) if type(piece) is TurnFacts else self._other(piece)

    def _other(self, piece: Rendered) -> Sequence[Rendered]:
        match piece:
            case ReasoningText(text):
                return (self._reasoning(text),)
            case MessageStarted(phase):
                self._start(phase)
                return ()
            case MessageEnded():
                self._is_commentary = False
                return ()
            case ReasoningStarted() | ReasoningPart():
                self._needs_reasoning_gap = self._has_reasoning
                return ()
            case TextAnnotated():
                return self._annotated(piece)
            case ContentCited(text=text):
                self._chars += len(text)
            case _:
                pass
        self._has_answer |= isinstance(piece, _ANSWERS)
        return (piece,)

    def _start(self, phase: str) -> None:
        self._is_commentary = phase == MessagePhase.COMMENTARY
        if self._is_commentary:
            self._needs_reasoning_gap = self._has_reasoning
            if self._commentary:
                self._commentary.append(_GAP)
        else:
            self._needs_gap = self._chars > 0
            self._begin = self._chars

    def _text(self, piece: ContentText, text: str) -> Sequence[Rendered]:
        if self._is_commentary:
            self._commentary.append(text)
            return (self._reasoning(text),)
        needs_gap = self._needs_gap and bool(text)
        if needs_gap:
            self._needs_gap = False
            self._chars += len(_GAP)
            self._begin = self._chars
        self._chars += len(text)
        self._has_answer |= bool(text)
        return (ContentText(_GAP), piece) if needs_gap else (piece,)

    def _reasoning(self, text: str) -> ReasoningText:
        gap = _GAP if self._needs_reasoning_gap and text else ""
        self._needs_reasoning_gap = self._needs_reasoning_gap and not text
        self._has_reasoning |= bool(text)
        return ReasoningText(gap + text)

    def _annotated(self, piece: TextAnnotated) -> Sequence[Rendered]:
        if self._is_commentary:
            return ()
        start, end = piece.start + self._begin, piece.end + self._begin
        return (structs.replace(piece, start=start, end=end),)

    def _end(self, ended: TurnEnded) -> Sequence[Rendered]:
        if ended.failure is None and not self._has_answer and self._commentary:
            return ContentText("".join(self._commentary)), ended
        return (ended,)


_ANSWERS = (FunctionCallStarted, AssetLinked, RefusalText, ContentCited)
