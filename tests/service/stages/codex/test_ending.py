"""How a turn ends, and what is counted of it."""

import pytest

from service.stages.codex.ending import MAX_KINDS, CodexEnding
from service.stages.codex.events import Event
from service.vocabulary.events import BodyEnd, BodyEnded, Outcome, Unknown
from tests.codex_feeding import NOW


@pytest.mark.parametrize(
    ("has_content", "has_calls", "outcome", "reason"),
    [
        (True, False, Outcome.COMPLETE, "stop"),
        (True, True, Outcome.COMPLETE, "tool_calls"),
        (False, False, Outcome.EMPTY, None),
    ],
)
def test_a_last_event_ends_the_answer(has_content, has_calls, outcome, reason):
    ended = CodexEnding(NOW).completed(has_content=has_content, has_calls=has_calls)
    assert (ended.outcome, ended.finish_reason) == (outcome, reason)


@pytest.mark.parametrize("reason", ["max_output_tokens", "brand_new", None, 3])
def test_an_incomplete_answer_is_too_long_unless_it_was_filtered(reason):
    assert CodexEnding(NOW).incomplete(reason).finish_reason == "length"
    assert CodexEnding(NOW).incomplete("content_filter").outcome is Outcome.FILTERED


def test_kinds_are_bounded():
    ending = CodexEnding(NOW)
    for number in range(MAX_KINDS + 5):
        ending.count(Unknown(f"kind {number}", "sample"))
    counts = ending.unfinished(BodyEnded(BodyEnd.CUT)).counts
    assert len(counts) == MAX_KINDS + 1
    assert counts["other"] == 5


def test_an_error_after_an_item_is_a_failure_and_no_refusal():
    ending = CodexEnding(NOW)
    ending.has_items = True
    assert ending.failed(Event("error", message="Oh")).outcome is Outcome.FAILED
