"""Delta -> Delta: takes function calls out of the answer's text.

It runs before rendering, where answer text is still separate from blocks of the upstream's own
tools: only what the model says to the user can call a function.
"""

from collections.abc import Collection, Iterator

from service.stages.function_calls.call_block import CallBlock, PlainText
from service.stages.function_calls.call_text import FindCalls
from service.vocabulary.events import (
    AnswerBlock,
    AnswerStarted,
    AnswerText,
    AssetReady,
    AssetWanted,
    Cited,
    Delta,
    Notice,
    ToolCallText,
    ToolResult,
    TurnEnded,
)


class TakeCalls:
    """Replaces text that calls functions by a `CallBlock`; one instance per turn.

    Args:
        names: of the functions that can be called.
    """

    def __init__(self, names: Collection[str]) -> None:
        self._names = names
        self._find = FindCalls(names)

    def feed(self, delta: Delta) -> Iterator[Delta | CallBlock]:
        """Yield the deltas and calls that are decided by now; never waits."""
        match delta:
            case AnswerText(text):
                yield from _deltas(self._find.feed(text))
            case Cited(text=text, words=words) if self._find.is_in_block:
                yield from _deltas(self._find.feed(words or text))
            case Cited():
                yield from _deltas(self._find.interrupt())
                yield delta
            case (
                AnswerStarted()
                | AnswerBlock()
                | ToolCallText()
                | ToolResult()
                | Notice()
                | AssetReady()
                | AssetWanted()
                | TurnEnded()
            ):
                yield from _deltas(self._find.finish())
                self._find = FindCalls(self._names)
                yield delta
            case _:
                yield delta


def _deltas(pieces: list[PlainText | CallBlock]) -> Iterator[Delta | CallBlock]:
    for piece in pieces:
        yield piece if isinstance(piece, CallBlock) else AnswerText(piece.text)
