"""Neighbouring pieces of one text become one; all else stays as it came."""

from service.vocabulary.events import (
    AnswerText,
    FunctionArguments,
    ReasoningText,
    TurnFacts,
)
from service.vocabulary.native import ReasoningPart
from upstream.codex.turn.receiving import joined


def test_only_neighbours_of_one_text_are_joined():
    pieces = [
        TurnFacts(upstream_model="m"),
        ReasoningText("a"),
        ReasoningText("b"),
        ReasoningPart(),
        ReasoningText("c"),
        AnswerText("d"),
        AnswerText("e"),
        AnswerText("f"),
        FunctionArguments(0, "g"),
        FunctionArguments(1, "h"),
        FunctionArguments(1, "i"),
        FunctionArguments(0, "j"),
    ]
    assert joined(pieces) == [
        TurnFacts(upstream_model="m"),
        ReasoningText("ab"),
        ReasoningPart(),
        ReasoningText("c"),
        AnswerText("def"),
        FunctionArguments(0, "g"),
        FunctionArguments(1, "hi"),
        FunctionArguments(0, "j"),
    ]
    assert joined([]) == []
