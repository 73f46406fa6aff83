"""The table of spec 6.4, cell by cell."""

import pytest

from service.stages.translate.ending import (
    CONFIRMED_PATIENCE_SECONDS,
    END_TURN_PATIENCE_SECONDS,
    MAX_KINDS,
    Ending,
)
from service.upstream_errors.refusals import PAGE_SENTENCE
from service.vocabulary.events import BodyEnd, BodyEnded, Failure, Outcome, UpstreamFault


def ending(
    *, answer: bool = True, confirmed: bool = False, end_turn: bool = False, finish: str = ""
) -> Ending:
    made = Ending()
    made.has_answer = answer
    if confirmed:
        made.confirm()
    if end_turn or finish:
        made.note_finish(finish or None, is_end_turn=end_turn)
    return made


@pytest.mark.parametrize("how", list(BodyEnd))
@pytest.mark.parametrize("state", [{"confirmed": True}, {"end_turn": True}])
def test_after_a_last_word_every_end_of_the_body_is_complete(
    how: BodyEnd, state: dict[str, bool]
) -> None:
    end = ending(**state).at_end_of_body(BodyEnded(how))
    assert (end.outcome, end.finish_reason, end.failure) == (Outcome.COMPLETE, "stop", None)


@pytest.mark.parametrize(
    ("how", "outcome", "status", "code"),
    [
        (BodyEnd.CLEAN, Outcome.CUT, 502, "upstream_cut"),
        (BodyEnd.CUT, Outcome.CUT, 502, "upstream_cut"),
        (BodyEnd.SILENT, Outcome.SILENT, 504, "upstream_timeout"),
        (BodyEnd.BROKEN, Outcome.FAILED, 502, "upstream_error"),
        (BodyEnd.SHUTDOWN, Outcome.SHUTDOWN, 503, "server_shutdown"),
    ],
)
@pytest.mark.parametrize("answer", [True, False])
def test_without_one_the_end_of_the_body_is_an_error(
    how: BodyEnd, outcome: Outcome, status: int, code: str, answer: bool
) -> None:
    end = ending(answer=answer).at_end_of_body(BodyEnded(how))
    assert end.failure is not None
    assert (end.outcome, end.finish_reason) == (outcome, None)
    assert (end.failure.status, end.failure.code) == (status, code)


def test_a_turn_without_an_answer_is_empty_but_not_when_it_made_a_picture() -> None:
    empty = ending(answer=False, confirmed=True).at_end_of_body(BodyEnded(BodyEnd.CLEAN))
    assert empty.outcome is Outcome.EMPTY
    assert empty.failure is not None
    assert empty.failure.code == "empty_response"
    drawn = ending(answer=False, confirmed=True)
    drawn.has_asset = True
    assert drawn.at_end_of_body(BodyEnded(BodyEnd.CLEAN)).outcome is Outcome.COMPLETE


def test_the_upstream_s_limit_is_length_and_other_reasons_are_stop() -> None:
    for finish, reason in [("max_tokens", "length"), ("interrupted", "stop"), ("new", "stop")]:
        end = ending(finish=finish, end_turn=True).at_end_of_body(BodyEnded(BodyEnd.CLEAN))
        assert end.finish_reason == reason


@pytest.mark.parametrize(
    ("is_body", "answer", "outcome"),
    [
        (True, False, Outcome.REFUSED),
        (True, True, Outcome.FAILED),
        (False, False, Outcome.FAILED),
    ],
)
def test_an_error_body_before_any_content_is_a_refusal(
    is_body: bool, answer: bool, outcome: Outcome
) -> None:
    failure = Failure(429, "m", "t", "c")
    end = ending(answer=answer).failed(UpstreamFault(failure, is_body))
    assert (end.outcome, end.failure) == (outcome, failure)


@pytest.mark.parametrize(
    ("has_events", "outcome", "code"),
    [(False, Outcome.REFUSED, "upstream_error"), (True, Outcome.CUT, "upstream_cut")],
)
def test_the_words_of_a_proxy_are_in_the_error(
    has_events: bool, outcome: Outcome, code: str
) -> None:
    made = Ending()
    made.has_events = has_events
    made.count_unknown("stray line", "The service is closed.")
    end = made.at_end_of_body(BodyEnded(BodyEnd.CLEAN))
    assert end.failure is not None
    assert (end.outcome, end.failure.code) == (outcome, code)
    assert "It said: The service is closed." in end.failure.message
    assert end.counts == {"stray line": 1}
    assert end.samples == {"stray line": "The service is closed."}


@pytest.mark.parametrize("start", ['{"message": {"id": "a', '["a', '"v'])
def test_the_half_of_an_event_is_no_words_but_a_cut(start: str) -> None:
    made = Ending()
    made.count_unknown("not json", start)
    end = made.at_end_of_body(BodyEnded(BodyEnd.CLEAN))
    assert end.failure is not None
    assert end.outcome is Outcome.CUT
    assert "said" not in end.failure.message


@pytest.mark.parametrize("page", ["<!DOCTYPE html><title>Just a moment...", " <html>", "<?xml?>"])
def test_a_page_is_one_sentence_whatever_it_is_called(page: str) -> None:
    made = Ending()
    made.count_unknown("stray line", page)
    end = made.at_end_of_body(BodyEnded(BodyEnd.CLEAN))
    assert end.failure is not None
    assert (end.outcome, end.failure.code) == (Outcome.REFUSED, "upstream_error")
    assert end.failure.message == PAGE_SENTENCE
    made.confirm()
    empty = made.at_end_of_body(BodyEnded(BodyEnd.CLEAN))
    assert empty.failure is not None
    assert "<" not in empty.failure.message


def test_kinds_that_are_counted_are_bounded() -> None:
    made = Ending()
    for number in range(MAX_KINDS * 3):
        made.count_unknown(f"kind {number}")
    counts = made.at_end_of_body(BodyEnded(BodyEnd.CLEAN)).counts
    assert len(counts) == MAX_KINDS + 1
    assert counts["other"] == MAX_KINDS * 2


def test_silence_is_borne_shorter_after_a_last_word() -> None:
    assert ending().patience_seconds is None
    assert ending(end_turn=True).patience_seconds == END_TURN_PATIENCE_SECONDS
    assert ending(confirmed=True).patience_seconds == CONFIRMED_PATIENCE_SECONDS


def test_a_hand_off_is_taken_once_and_never_after_a_final_answer() -> None:
    made = ending()
    made.hand_off()
    made.confirm()
    assert made.patience_seconds is None
    assert made.takes_hand_off(BodyEnd.CLEAN)
    assert not made.takes_hand_off(BodyEnd.CLEAN)
    final = ending(end_turn=True)
    final.hand_off()
    assert not final.takes_hand_off(BodyEnd.CLEAN)
    silent = ending()
    silent.hand_off()
    assert not silent.takes_hand_off(BodyEnd.SILENT)
