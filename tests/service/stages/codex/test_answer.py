"""The deltas of one turn, in cases that are shorter here than as transcripts."""

from service.stages.codex.answer import CodexAnswer, usage_in
from service.stages.codex.raw_events import Event
from service.vocabulary.events import (
    BodyEnd,
    BodyEnded,
    FunctionArguments,
    Outcome,
    TurnEnded,
    TurnFacts,
)
from service.vocabulary.native import FunctionCallEnded, UsageKnown
from tests.codex_feeding import NOW
from tests.rows import each_row

COMPLETED = Event("response.completed", response={"model": "gpt-6-luna"})


def test_the_model_of_the_head_is_surer_than_that_of_the_events():
    answer = CodexAnswer(NOW, model="gpt-6-sol")
    told = list(answer.feed(Event("response.created", response={"model": "gpt-6-luna"})))
    assert told == [TurnFacts(upstream_model="gpt-6-sol")]
    assert TurnFacts(upstream_model="gpt-6-luna") not in list(answer.feed(COMPLETED))


def test_nothing_comes_after_the_end():
    answer = CodexAnswer(NOW)
    assert isinstance(list(answer.feed(COMPLETED))[-1], TurnEnded)
    assert list(answer.feed(COMPLETED)) == []
    assert list(answer.feed(BodyEnded(BodyEnd.CUT))) == []


def test_it_tells_whether_an_item_had_begun_and_what_an_allowance_was_left():
    answer = CodexAnswer(NOW)
    error = {"type": "usage_limit_reached", "resets_at": NOW + 60}
    ended = list(answer.feed(Event("error", error=error)))[-1]
    assert ended.outcome is Outcome.FAILED
    assert not answer.ending.has_items
    assert answer.ending.limit is not None
    assert answer.ending.limit.resets_at == NOW + 60


@each_row(
    "usage",
    [{}, {"input_tokens": 1}, {"input_tokens": -1, "output_tokens": 1}, {"input_tokens": "1"}],
)
def test_what_counts_no_tokens_is_no_usage(usage):
    assert usage_in(usage) is None


def test_details_of_usage_may_be_missing_or_odd():
    usage = {"input_tokens": 3, "output_tokens": 2, "input_tokens_details": [], "x": 1}
    assert usage_in(usage) == UsageKnown(3, 2)


@each_row(
    "last",
    [
        BodyEnded(BodyEnd.CUT),
        Event("response.failed", response={"error": {"code": "server_error", "message": "No."}}),
    ],
)
def test_half_a_call_is_left_open_by_a_turn_that_breaks(last):
    call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f"}
    answer = CodexAnswer(NOW)
    events = (
        Event("response.output_item.added", output_index=0, item=call),
        Event("response.function_call_arguments.delta", item_id="fc_1", delta='{"ci'),
    )
    deltas = [delta for event in (*events, last) for delta in answer.feed(event)]
    assert FunctionArguments(0, '{"ci') in deltas
    assert not [delta for delta in deltas if isinstance(delta, FunctionCallEnded)]
    assert isinstance(deltas[-1], TurnEnded)
