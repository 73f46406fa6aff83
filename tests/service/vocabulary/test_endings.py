"""The table of spec 6.4, cell by cell, and what moves a turn through its phases."""

from itertools import product

from service.vocabulary import endings
from service.vocabulary.endings import (
    ANY_PHASE,
    ENDED,
    PHASES,
    TABLE,
    VISIBLE,
    Closed,
    Closing,
    Phase,
    Seen,
    TurnState,
    Word,
    outcome_of,
)
from service.vocabulary.errors import (
    AuthError,
    EmptyResponseError,
    QueueFullError,
    RequestError,
    ShutdownError,
    TokenServiceError,
    UpstreamCutError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamRefusedError,
    UpstreamTimeoutError,
    UpstreamUnreachableError,
)
from service.vocabulary.events import BodyEnd, Failure, Outcome
from tests.rows import each_row

CLOSED: tuple[Closed, ...] = (*BodyEnd, *Closing)
THINGS = (Seen.TEXT, Seen.PICTURE, Seen.CALL, Seen.REFUSAL, Seen.ITEM)


def ending(closed_by: Closed, phase: Phase = Phase.OPEN, *seen: Seen) -> endings.Ending:
    state = TurnState()
    state.phase = phase
    for each in seen:
        state.see(each)
    return state.end(closed_by)


def heard(*words: Word) -> Phase:
    state = TurnState()
    for word in words:
        state.hear(word)
    return state.phase


def test_every_turn_has_an_ending_and_every_row_of_the_table_can_be_reached() -> None:
    reached = {
        id(ending(closed_by, phase, one, other))
        for closed_by, phase, one, other in product(CLOSED, ANY_PHASE, Seen, Seen)
    }
    assert reached == {id(row) for row in TABLE if row.when.closed_by}
    assert {row.outcome for row in TABLE} == set(Outcome)


def test_each_row_says_one_thing_to_the_caller() -> None:
    for row in TABLE:
        assert not (row.finish_reason and row.error)
        told = row.ended(failure=Failure(429, "Slow.", "t", "c") if not row.finish_reason else None)
        assert (told.failure is None) is (row.finish_reason is not None)


@each_row("phase", sorted(ENDED))
@each_row("how", list(BodyEnd))
def test_what_was_said_to_be_all_is_all_however_the_body_ends(phase: Phase, how: BodyEnd) -> None:
    assert ending(how, phase) is endings.EMPTY
    assert ending(how, phase, Seen.REASONING, Seen.EVENTS) is endings.EMPTY
    assert ending(how, phase, Seen.LIMIT) is endings.EMPTY
    assert ending(how, phase, Seen.TEXT) is endings.COMPLETE
    assert ending(how, phase, Seen.TEXT, Seen.LIMIT) is endings.LENGTH
    assert ending(how, phase, Seen.TEXT, Seen.CALL) is endings.CALLS
    assert ending(how, phase, Seen.CALL, Seen.LIMIT) is endings.LENGTH


@each_row("thing", THINGS)
def test_what_a_caller_can_see_is_never_empty(thing: Seen) -> None:
    assert thing & VISIBLE
    assert ending(BodyEnd.CLEAN, Phase.CONFIRMED, thing).finish_reason in ("stop", "tool_calls")


@each_row(
    ("how", "row", "status", "code"),
    [
        (BodyEnd.CLEAN, endings.CUT, 502, "upstream_cut"),
        (BodyEnd.CUT, endings.CUT, 502, "upstream_cut"),
        (BodyEnd.UNRESUMED, endings.CUT, 502, "upstream_cut"),
        (BodyEnd.WAITED, endings.CUT, 502, "upstream_cut"),
        (BodyEnd.SILENT, endings.SILENT, 504, "upstream_timeout"),
        (BodyEnd.BROKEN, endings.BROKEN, 502, "upstream_error"),
        (BodyEnd.SHUTDOWN, endings.SHUTDOWN, 503, "server_shutdown"),
    ],
)
@each_row("phase", [Phase.OPEN, Phase.HANDED_OFF])
@each_row("seen", [Seen.EVENTS, Seen.TEXT, Seen.PICTURE, Seen.REASONING])
def test_without_a_word_of_the_end_it_is_an_error_whatever_came(  # noqa: PLR0917 - the table
    phase: Phase, seen: Seen, how: BodyEnd, row: endings.Ending, status: int, code: str
) -> None:
    assert ending(how, phase, seen) is row
    failure = row.ended().failure
    assert failure is not None
    assert (failure.status, failure.code, failure.message) == (status, code, row.words)


def test_plain_words_in_place_of_an_answer_are_a_refusal() -> None:
    assert ending(BodyEnd.CLEAN, Phase.OPEN, Seen.WORDS) is endings.PLAIN_WORDS
    assert ending(BodyEnd.CUT, Phase.OPEN, Seen.WORDS) is endings.PLAIN_WORDS
    assert ending(BodyEnd.SILENT, Phase.OPEN, Seen.WORDS) is endings.SILENT
    assert ending(BodyEnd.CLEAN, Phase.OPEN, Seen.WORDS, Seen.EVENTS) is endings.CUT


@each_row("phase", sorted(ANY_PHASE))
def test_what_closes_a_turn_by_itself_does_so_in_every_phase(phase: Phase) -> None:
    assert ending(Closing.BLOCKED, phase, Seen.TEXT) is endings.BLOCKED
    assert ending(Closing.CONSENT, phase) is endings.CONSENT
    assert ending(Closing.WEBSOCKET, phase, Seen.TEXT) is endings.WEBSOCKET
    assert ending(Closing.ERROR_EVENT, phase) is endings.ERROR
    assert ending(Closing.ERROR_BODY, phase) is endings.ERROR_BODY
    assert ending(Closing.ERROR_BODY, phase, Seen.REASONING) is endings.ERROR_BODY
    assert ending(Closing.ERROR_BODY, phase, Seen.TEXT) is endings.ERROR


def test_an_error_that_was_told_is_passed_on() -> None:
    failure = Failure(429, "Slow down.", "rate_limit_error", "rate_limit_exceeded")
    end = endings.ERROR_BODY.ended(failure=failure, counts={"x": 1}, samples={"x": "y"})
    assert (end.outcome, end.finish_reason, end.failure) == (Outcome.REFUSED, None, failure)
    assert (end.counts, end.samples) == ({"x": 1}, {"x": "y"})


def test_a_hand_off_counts_until_it_is_followed_and_never_after_a_last_word() -> None:
    assert heard(Word.HAND_OFF, Word.CONFIRMATION) is Phase.HANDED_OFF
    assert heard(Word.CONFIRMATION, Word.HAND_OFF, Word.CONFIRMATION) is Phase.HANDED_OFF
    assert heard(Word.HAND_OFF, Word.FOLLOWED, Word.CONFIRMATION) is Phase.CONFIRMED
    assert heard(Word.HAND_OFF, Word.END_TURN) is Phase.LAST_WORD
    assert heard(Word.END_TURN, Word.HAND_OFF, Word.CONFIRMATION) is Phase.FINAL
    assert heard(Word.CONFIRMATION, Word.END_TURN, Word.HAND_OFF) is Phase.FINAL
    assert set(PHASES) == set(Phase)


def test_nothing_moves_a_turn_that_is_over() -> None:
    state = TurnState()
    assert not state.is_over
    state.end(BodyEnd.CUT)
    for word in Word:
        state.hear(word)
    assert state.is_over


def test_what_was_seen_can_turn_out_otherwise() -> None:
    state = TurnState()
    state.see(Seen.TEXT | Seen.LIMIT)
    state.forget(Seen.LIMIT)
    assert state.has(Seen.TEXT)
    assert not state.has(Seen.LIMIT)


@each_row(
    ("error", "outcome"),
    [
        (AuthError("x"), Outcome.REFUSED),
        (QueueFullError("x"), Outcome.REFUSED),
        (RequestError("x"), Outcome.REFUSED),
        (UpstreamRefusedError(Failure(403, "x", "t", None), 403), Outcome.REFUSED),
        (UpstreamTimeoutError("x"), Outcome.SILENT),
        (UpstreamCutError("x"), Outcome.CUT),
        (EmptyResponseError("x"), Outcome.EMPTY),
        (ShutdownError("x"), Outcome.SHUTDOWN),
        (UpstreamError("x"), Outcome.FAILED),
        (UpstreamUnreachableError("x"), Outcome.FAILED),
        (UpstreamProtocolError("x"), Outcome.FAILED),
        (TokenServiceError("x"), Outcome.FAILED),
    ],
)
def test_an_error_before_the_first_event_has_an_outcome_too(error, outcome) -> None:
    assert outcome_of(error) is outcome
