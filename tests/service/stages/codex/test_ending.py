"""How a turn ends, and what it counts."""

from service.stages.codex.ending import MAX_KINDS, CodexEnding
from service.stages.codex.raw_events import Event
from service.vocabulary.endings import Seen
from service.vocabulary.events import BodyEnd, BodyEnded, Outcome, Unknown
from tests.codex_feeding import NOW
from tests.rows import each_row


@each_row(
    ("seen", "outcome", "reason"),
    [
        (Seen.TEXT, Outcome.COMPLETE, "stop"),
        (Seen.TEXT | Seen.CALL, Outcome.COMPLETE, "tool_calls"),
        (Seen.ITEM, Outcome.COMPLETE, "stop"),
        (Seen.REASONING, Outcome.EMPTY, None),
    ],
)
def test_a_last_event_ends_the_answer(seen, outcome, reason):
    ending = CodexEnding(NOW)
    ending.state.see(seen)
    ended = ending.completed()
    assert (ended.outcome, ended.finish_reason) == (outcome, reason)


@each_row("reason", ["max_output_tokens", "brand_new", None, 3])
def test_an_incomplete_answer_is_too_long_unless_it_was_filtered(reason):
    ending = CodexEnding(NOW)
    ending.state.see(Seen.TEXT)
    assert ending.incomplete(reason).finish_reason == "length"
    assert CodexEnding(NOW).incomplete("content_filter").outcome is Outcome.FILTERED


def test_kinds_are_bounded():
    ending = CodexEnding(NOW)
    for number in range(MAX_KINDS + 5):
        ending.count(Unknown(f"kind {number}", "sample"))
    counts = ending.unfinished(BodyEnded(BodyEnd.CUT)).counts
    assert len(counts) == MAX_KINDS + 1
    assert counts["other"] == 5


def test_an_error_in_place_of_an_answer_is_a_refusal():
    assert CodexEnding(NOW).failed(Event(detail="No")).outcome is Outcome.REFUSED
    assert CodexEnding(NOW).failed(Event("error", message="Oh")).outcome is Outcome.FAILED


def test_no_items_make_a_body_without_a_last_event_complete():
    ending = CodexEnding(NOW)
    ending.state.see(Seen.TEXT | Seen.CALL)
    assert ending.unfinished(BodyEnded(BodyEnd.CLEAN)).outcome is Outcome.CUT
