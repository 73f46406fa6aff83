"""How a turn of the website continues, and the words with which it ends."""

from service.stages.translate.ending import (
    GOES_ON,
    MAX_KINDS,
    PATIENCE_SECONDS,
    Step,
    TurnSoFar,
)
from service.upstream_errors.refusals import PAGE_SENTENCE
from service.vocabulary.endings import Closing, Phase, Seen, Word
from service.vocabulary.events import BodyEnd, BodyEnded, Failure, Outcome, TurnEnded
from tests.rows import each_row

CLEAN, UNRESUMED = BodyEnded(BodyEnd.CLEAN), BodyEnded(BodyEnd.UNRESUMED)


def turn(*heard: Word, seen: Seen = Seen.EVENTS) -> TurnSoFar:
    made = TurnSoFar()
    made.see(seen)
    for word in heard:
        made.hear(word)
    return made


def message(end: TurnEnded) -> str:
    assert end.failure is not None
    return end.failure.message


# --- going on -------------------------------------------------------------------------


def test_a_hand_off_is_followed_after_a_body_that_ended_and_after_no_other() -> None:
    for how in BodyEnd:
        step = turn(Word.HAND_OFF, Word.CONFIRMATION).step_after(BodyEnded(how))
        assert (step is Step.RESUME) is (how in (BodyEnd.CLEAN, BodyEnd.CUT))
    followed = turn(Word.HAND_OFF)
    followed.follow()
    assert followed.step_after(CLEAN) is None
    assert turn(Word.HAND_OFF, Word.END_TURN, seen=Seen.TEXT).step_after(CLEAN) is None


@each_row(
    ("how", "is_awaited"),
    [
        (BodyEnd.CLEAN, True),
        (BodyEnd.CUT, True),
        (BodyEnd.SILENT, True),
        (BodyEnd.UNRESUMED, True),
        (BodyEnd.BROKEN, False),
        (BodyEnd.SHUTDOWN, False),
    ],
)
def test_a_picture_is_awaited_unless_the_turn_is_broken(how: BodyEnd, is_awaited: bool) -> None:
    drawing = turn(seen=Seen.DRAWING | Seen.TEXT)
    assert (drawing.step_after(BodyEnded(how)) is Step.AWAIT_PICTURE) is is_awaited
    drawing.see(Seen.PICTURE)
    assert drawing.step_after(BodyEnded(how)) is None


@each_row("said", [(Word.CONFIRMATION,), (Word.END_TURN,)])
def test_an_answer_is_awaited_of_a_turn_that_is_over_and_said_nothing(
    said: tuple[Word, ...],
) -> None:
    known = Seen.EVENTS | Seen.CONVERSATION
    assert turn(*said, seen=known).step_after(CLEAN) is Step.AWAIT_ANSWER
    assert turn(*said, seen=known | Seen.REASONING).step_after(CLEAN) is Step.AWAIT_ANSWER
    for more in (Seen.TEXT, Seen.PICTURE, Seen.MISSED):
        assert turn(*said, seen=known | more).step_after(CLEAN) is None
    assert turn(*said).step_after(CLEAN) is None  # the conversation is not known
    assert turn(seen=known).step_after(CLEAN) is None  # the row for cut precedes the one for empty


def test_an_answer_is_awaited_of_a_hand_off_that_cannot_be_resumed_whatever_came() -> None:
    for seen in (Seen.CONVERSATION, Seen.CONVERSATION | Seen.TEXT):
        handed = turn(Word.HAND_OFF, seen=seen)
        handed.follow()
        assert handed.step_after(UNRESUMED) is Step.AWAIT_ANSWER
    assert turn(seen=Seen.TEXT).step_after(UNRESUMED) is None


def test_each_wait_comes_once_and_ends_as_the_body_did() -> None:
    waiting = turn(Word.CONFIRMATION, seen=Seen.CONVERSATION)
    waiting.begin_wait(Step.AWAIT_ANSWER, CLEAN)
    assert waiting.is_waiting
    assert waiting.end_wait() == CLEAN
    assert not waiting.is_waiting
    assert waiting.end_wait() is None
    assert waiting.step_after(CLEAN) is None
    waiting.see(Seen.DRAWING)
    assert waiting.step_after(CLEAN) is Step.AWAIT_PICTURE
    assert len(GOES_ON) == len(Step) + 1


def test_what_was_said_before_a_wait_is_no_end_within_it() -> None:
    waiting = turn(Word.CONFIRMATION, seen=Seen.TEXT)
    waiting.begin_wait(Step.AWAIT_PICTURE, CLEAN)
    assert waiting.ended(BodyEnded(BodyEnd.SHUTDOWN)).outcome is Outcome.SHUTDOWN


def test_a_hand_off_lapses_with_a_wait() -> None:
    waiting = turn(Word.HAND_OFF, seen=Seen.DRAWING)
    waiting.begin_wait(Step.AWAIT_PICTURE, BodyEnded(BodyEnd.SILENT))
    waiting.end_wait()
    waiting.see(Seen.PICTURE)
    waiting.hear(Word.CONFIRMATION)
    assert waiting.ended(BodyEnded(BodyEnd.SILENT)).outcome is Outcome.COMPLETE


def test_silence_is_borne_shorter_after_a_last_word() -> None:
    assert turn().patience_seconds is None
    assert turn(Word.HAND_OFF, Word.CONFIRMATION).patience_seconds is None
    assert turn(Word.END_TURN).patience_seconds == PATIENCE_SECONDS[Phase.LAST_WORD]
    assert turn(Word.CONFIRMATION).patience_seconds == PATIENCE_SECONDS[Phase.CONFIRMED]
    assert turn(Word.END_TURN, Word.CONFIRMATION).patience_seconds == 5


# --- ending ---------------------------------------------------------------------------


def test_the_upstream_s_limit_is_length_unless_a_later_message_ends_otherwise() -> None:
    limited = turn(seen=Seen.TEXT)
    limited.note_finish("max_tokens", is_end_turn=True)
    assert limited.ended(CLEAN).finish_reason == "length"
    for finish in ("interrupted", "something new", None):
        other = turn(seen=Seen.TEXT)
        other.note_finish("max_tokens", is_end_turn=False)
        other.note_finish(finish, is_end_turn=True)
        assert other.ended(CLEAN).finish_reason == "stop"


@each_row(
    ("seen", "outcome", "code"),
    [(Seen(0), Outcome.REFUSED, "upstream_error"), (Seen.EVENTS, Outcome.CUT, "upstream_cut")],
)
def test_the_words_of_a_proxy_are_in_the_error(seen: Seen, outcome: Outcome, code: str) -> None:
    made = turn(seen=seen)
    made.count_unknown("stray line", "The service is closed.")
    end = made.ended(CLEAN)
    assert end.failure is not None
    assert (end.outcome, end.failure.code) == (outcome, code)
    assert "It said: The service is closed." in end.failure.message
    assert end.counts == {"stray line": 1}
    assert end.samples == {"stray line": "The service is closed."}


def test_they_are_not_in_the_error_of_an_answer_that_was_under_way() -> None:
    made = turn(seen=Seen.TEXT | Seen.EVENTS)
    made.count_unknown("stray line", "internal server error")
    assert "said" not in message(made.ended(CLEAN))


@each_row("start", ['{"message": {"id": "a', '["a', '"v'])
def test_the_half_of_an_event_is_no_words_but_a_cut(start: str) -> None:
    made = turn(seen=Seen(0))
    made.count_unknown("not json", start)
    end = made.ended(CLEAN)
    assert end.outcome is Outcome.CUT
    assert "said" not in message(end)


@each_row("page", ["<!DOCTYPE html><title>Just a moment...", " <html>", "<?xml?>"])
def test_a_page_is_one_sentence_whatever_it_is_called(page: str) -> None:
    for heard, outcome in (((), Outcome.REFUSED), ((Word.CONFIRMATION,), Outcome.EMPTY)):
        made = turn(*heard, seen=Seen(0))
        made.count_unknown("stray line", page)
        end = made.ended(CLEAN)
        assert end.outcome is outcome
        assert "<" not in message(end)
        assert (message(end) == PAGE_SENTENCE) is (outcome is Outcome.REFUSED)


def test_an_empty_answer_says_why_if_it_is_known() -> None:
    missed = turn(Word.CONFIRMATION)
    missed.note_missing("The picture did not come in time.")
    assert message(missed.ended(CLEAN)) == "The picture did not come in time."
    handed = turn(Word.HAND_OFF)
    handed.follow()
    handed.hear(Word.CONFIRMATION)
    assert "continued this answer elsewhere" in message(handed.ended(CLEAN))


def test_what_a_body_ended_with_is_told() -> None:
    detail = "The upstream sent nothing for 3 seconds."
    assert message(turn().ended(BodyEnded(BodyEnd.SILENT, detail))) == detail


def test_an_error_that_was_told_is_passed_on_with_what_was_counted() -> None:
    failure = Failure(429, "m", "t", "c")
    made = turn()
    made.count_unknown("type new", "x")
    made.rewrites = 2
    end = made.closed(Closing.ERROR_EVENT, failure)
    assert (end.outcome, end.failure) == (Outcome.FAILED, failure)
    assert end.counts == {"type new": 1, "rewrite": 2}
    assert made.is_over


def test_kinds_that_are_counted_are_bounded() -> None:
    made = turn()
    for number in range(MAX_KINDS * 3):
        made.count_unknown(f"kind {number}")
    counts = made.ended(CLEAN).counts
    assert len(counts) == MAX_KINDS + 1
    assert counts["other"] == MAX_KINDS * 2
