"""Nothing from U+E200 to U+E206 leaves (spec 7.2)."""

from service.stages.render.guard import Guard
from service.vocabulary.events import (
    AssetKind,
    CitationResolved,
    Failure,
    FunctionArguments,
    FunctionCallStarted,
    Outcome,
    ReasoningText,
    Source,
    TextSpent,
    TurnEnded,
    TurnFacts,
)
from service.vocabulary.native import ToolItemEnded
from service.vocabulary.rendered import AssetLinked, ContentCited, ContentText, Rendered
from tests.rows import each_row

X = "a\ue200b\ue206"


@each_row(
    ("piece", "cleaned", "removed"),
    [
        (ContentText(X), ContentText("ab"), 2),
        (ReasoningText(X), ReasoningText("ab"), 2),
        (ContentCited(1, X, (Source(X, X),)), ContentCited(1, "ab", (Source("ab", "ab"),)), 6),
        (CitationResolved(1, (Source("u", X),)), CitationResolved(1, (Source("u", "ab"),)), 2),
        (
            AssetLinked(AssetKind.FILE, "u", X, "t", X),
            AssetLinked(AssetKind.FILE, "u", "ab", "t", "ab"),
            4,
        ),
        (FunctionCallStarted(0, "c", X), FunctionCallStarted(0, "c", "ab"), 2),
        (FunctionArguments(0, X), FunctionArguments(0, "ab"), 2),
        (TextSpent((X,), X), TextSpent(("ab",), "ab"), 4),
        (ToolItemEnded(0, {"a": [X, {X: 1}]}), ToolItemEnded(0, {"a": ["ab", {"ab": 1}]}), 4),
        (
            TurnEnded(Outcome.FAILED, None, Failure(502, X, "t", None)),
            TurnEnded(Outcome.FAILED, None, Failure(502, "ab", "t", None)),
            2,
        ),
    ],
)
def test_every_text_of_a_piece_loses_its_marks_and_they_are_counted(
    piece: Rendered, cleaned: Rendered, removed: int
) -> None:
    guard = Guard()
    assert guard.feed(piece) == cleaned
    assert guard.removed == removed


@each_row(
    "piece",
    [
        ContentText("plain"),
        ContentText("茶 \ue207 \ue1ff"),
        ContentCited(1, "x", (Source("u", "t"),)),
        TurnEnded(Outcome.COMPLETE, "stop"),
        TurnFacts("c"),
    ],
)
def test_a_piece_without_marks_is_passed_as_it_is(piece: Rendered) -> None:
    guard = Guard()
    assert guard.feed(piece) is piece
    assert guard.removed == 0
