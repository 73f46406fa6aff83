"""An answer of items as one text; whole turns are in `tests/service/stages/test_codex.py`."""

from service.stages.render.flat import Flatten
from service.vocabulary.events import (
    AssetKind,
    CitationResolved,
    Failure,
    FunctionCallStarted,
    Outcome,
    ReasoningText,
    TurnEnded,
)
from service.vocabulary.native import (
    MessageEnded,
    MessageStarted,
    ReasoningPart,
    ReasoningStarted,
    RefusalText,
    TextAnnotated,
)
from service.vocabulary.rendered import AssetLinked, ContentCited, ContentText, Rendered
from tests.rows import each_row

END = TurnEnded(Outcome.COMPLETE, "stop")
CUT = TurnEnded(Outcome.CUT, None, Failure(502, "Cut.", "upstream_error", "upstream_cut"))
SAID: list[Rendered] = [MessageStarted("commentary"), ContentText("On it."), MessageEnded()]


def flat(*pieces: Rendered) -> list[Rendered]:
    stage = Flatten()
    return [out for piece in pieces for out in stage.feed(piece)]


def test_an_answer_without_items_passes_as_it_is():
    pieces: list[Rendered] = [
        ReasoningText("Hm."),
        ContentText("a"),
        ContentCited(0, "[1]", ()),
        CitationResolved(0, ()),
        FunctionCallStarted(0, "c", "f"),
        END,
    ]
    assert flat(*pieces) == pieces


def test_messages_are_separated_by_a_blank_line_and_their_citations_moved():
    one: list[Rendered] = [MessageStarted(), ContentText("One"), MessageEnded()]
    two = [MessageStarted(), ContentText("Two"), TextAnnotated(0, 3, "u", "t"), MessageEnded()]
    assert flat(*one, *two, END) == [
        ContentText("One"),
        ContentText("\n\n"),
        ContentText("Two"),
        TextAnnotated(5, 8, "u", "t"),
        END,
    ]


def test_parts_of_the_reasoning_are_separated_by_a_blank_line():
    first = [ReasoningStarted(), ReasoningPart(), ReasoningText("a"), ReasoningText("b")]
    assert flat(*first, ReasoningPart(), ReasoningText("c"), ReasoningText("d")) == [
        ReasoningText("a"),
        ReasoningText("b"),
        ReasoningText("\n\nc"),
        ReasoningText("d"),
    ]


def test_words_on_the_way_are_reasoning():
    answer: list[Rendered] = [MessageStarted("final_answer"), ContentText("42"), MessageEnded()]
    assert flat(*SAID, *answer, END) == [ReasoningText("On it."), ContentText("42"), END]


@each_row(
    "other",
    [
        FunctionCallStarted(0, "c", "f"),
        RefusalText("No."),
        AssetLinked(AssetKind.PICTURE, "http://gw/1", "n", "image/png"),
    ],
)
def test_words_on_the_way_are_the_answer_where_there_is_nothing_else(other):
    assert flat(*SAID, *SAID, END)[-2:] == [ContentText("On it.\n\nOn it."), END]
    assert ContentText("On it.") not in flat(*SAID, other, END)
    assert flat(*SAID, CUT) == [ReasoningText("On it."), CUT]
