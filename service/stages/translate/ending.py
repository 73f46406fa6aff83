"""Decides whether a turn of the website continues after a body, and the words with which it ends.

Theory of operation
-------------------

How a turn ends is the table of `service/vocabulary/endings.py`. But the end of a body is not always
the end of its turn: `GOES_ON` has the three cases in which the answer is elsewhere. They are tried
first, and each becomes a request to `upstream/`, which feeds more events:

* RESUME: a hand-off is pending, so the answer continues in another body (protocol 4.6). `upstream/`
  feeds that body, or `UNRESUMED` if there is none.
* AWAIT_PICTURE: the turn shows signs of a picture that is drawn later (protocol 8.2b).
* AWAIT_ANSWER: the upstream said that this was all and nothing visible had come, or a hand-off could
  not be resumed. The answer, if there is one, is in the stored conversation.

A wait has no body: messages stored meanwhile are fed, and `WAITED` is its end. Until then nothing
that a body said about its own end counts; that is the purpose of `Seen.WAITING`. After the wait the
table decides as if the body before it had ended only now. Each kind of wait happens once, so that
every turn ends.
"""

from enum import StrEnum, auto

from service.upstream_errors.refusals import PAGE_SENTENCE, quoted
from service.vocabulary import endings
from service.vocabulary.endings import (
    ENDED,
    UNENDED,
    VISIBLE,
    Closing,
    Ending,
    Pattern,
    Phase,
    Seen,
    TurnState,
    Word,
)
from service.vocabulary.events import BodyEnd, BodyEnded, Failure, TurnEnded, TurnFacts

# How much silence counts as the end. Late citations and titles follow within a second; a picture
# may follow the last message, but then the upstream is not silent for long either.
PATIENCE_SECONDS = {Phase.LAST_WORD: 20.0, Phase.CONFIRMED: 5.0, Phase.FINAL: 5.0}
_EVENTS, _LIMIT, _WAITING = Seen.EVENTS, Seen.LIMIT, Seen.WAITING  # a member is slow to look up
_NAMED = _EVENTS | Seen.CONVERSATION
_JSON_STARTS, _PAGE_START = ("{", "[", '"'), "<"
MAX_KINDS = 32  # kinds come from outside: further ones are counted together
_ELSEWHERE = "The upstream continued this answer elsewhere, where nothing could be had."


class Step(StrEnum):
    """The ways in which a turn continues after a body."""

    RESUME = auto()
    AWAIT_PICTURE = auto()
    AWAIT_ANSWER = auto()


GOES_ON: tuple[tuple[Step, Pattern], ...] = (
    (
        Step.RESUME,
        Pattern(
            closed_by=(BodyEnd.CLEAN, BodyEnd.CUT),
            phases=frozenset({Phase.HANDED_OFF}),
        ),
    ),
    (
        Step.AWAIT_PICTURE,
        Pattern(
            closed_by=(BodyEnd.CLEAN, BodyEnd.CUT, BodyEnd.SILENT, BodyEnd.UNRESUMED),
            has=Seen.DRAWING,
            lacks=Seen.PICTURE | Seen.MISSED,
        ),
    ),
    (
        Step.AWAIT_ANSWER,
        Pattern(
            closed_by=(BodyEnd.CLEAN, BodyEnd.CUT, BodyEnd.SILENT),
            phases=ENDED,
            has=Seen.CONVERSATION,
            lacks=VISIBLE | Seen.MISSED,
        ),
    ),
    (
        Step.AWAIT_ANSWER,
        Pattern(closed_by=(BodyEnd.UNRESUMED,), phases=UNENDED, has=Seen.CONVERSATION),
    ),
)
# Those that may be taken, by the end of the body and by the phase.
_MAY_GO_ON: dict[tuple[BodyEnd, Phase], tuple[tuple[Step, Pattern], ...]] = {
    (how, phase): tuple(row for row in GOES_ON if row[1].may_fit(how, phase))
    for how in BodyEnd
    for phase in Phase
}


class TurnSoFar(TurnState):
    """One turn of the website: its state, its facts, its counts, and the words for its end."""

    def __init__(self, conversation_id: str | None = None) -> None:
        super().__init__()
        self.facts = TurnFacts(conversation_id=conversation_id)
        if conversation_id is not None:
            self.see(Seen.CONVERSATION)
        self.rewrites = 0
        self.awaited: Step | None = None  # the current wait, or the last one
        self._waited: set[Step] = set()
        self._body: BodyEnded | None = None  # the body's end that the wait follows
        self._counts: dict[str, int] = {}
        self._samples: dict[str, str] = {}  # the first example of each kind
        self._missing = ""  # the reason why there is no answer
        self._stray = ""  # the first line that was no event

    @property
    def is_waiting(self) -> bool:
        """Whether the turn continues without a body, until the awaited answer arrives."""
        return self.has(_WAITING)

    @property
    def patience_seconds(self) -> float | None:
        """How many seconds of silence count as the end; None: silence ends nothing."""
        return PATIENCE_SECONDS.get(self.phase)

    def learn(
        self,
        conversation_id: str | None = None,
        message_id: str | None = None,
        upstream_model: str | None = None,
    ) -> list[TurnFacts]:
        """Note facts of the turn, and return them if any is new."""
        self.see(_EVENTS if conversation_id is None else _NAMED)
        known = self.facts
        self.facts = TurnFacts(
            conversation_id or known.conversation_id,
            message_id or known.message_id,
            upstream_model or known.upstream_model,
        )
        return [] if self.facts == known else [self.facts]

    def note_finish(self, finish_type: str | None, *, is_end_turn: bool) -> None:
        """Note the finish of a visible message."""
        if finish_type == "max_tokens":
            self.see(_LIMIT)
        else:
            self.forget(_LIMIT)
        if is_end_turn:
            self.hear(Word.END_TURN)

    def note_missing(self, problem: str) -> None:
        """Note why there is no answer, so that nothing is waited for."""
        self._missing = problem
        self.see(Seen.MISSED)

    def count_unknown(self, kind: str, sample: str = "") -> None:
        """Count an unexpected event under its kind."""
        if kind not in self._counts and len(self._counts) >= MAX_KINDS:
            kind = "other"
        self._counts[kind] = self._counts.get(kind, 0) + 1
        if sample:
            self._samples.setdefault(kind, sample)
        words = sample.strip()
        # A line that begins like JSON is a cut event, not a message.
        is_said = kind in ("stray line", "not json") and not words.startswith(_JSON_STARTS)
        if is_said and words and not self._stray:
            self._stray = words
            self.see(Seen.WORDS)

    # --- going on ---------------------------------------------------------------

    def step_after(self, body: BodyEnded) -> Step | None:
        """Return the step by which the turn continues after a body, None if the turn ends."""
        for step, pattern in _MAY_GO_ON[body.how, self.phase]:
            if pattern.fits(self._seen) and step not in self._waited:
                return step
        return None

    def follow(self) -> None:
        """Continue in the body to which the answer was handed off."""
        self._missing = _ELSEWHERE
        self.hear(Word.FOLLOWED)

    def begin_wait(self, step: Step, body: BodyEnded) -> None:
        """Begin to wait, after this end of a body."""
        self.awaited, self._body = step, body
        self._waited.add(step)
        self.hear(Word.FOLLOWED)  # a hand-off without a result is over
        self.see(Seen.WAITING)

    def end_wait(self) -> BodyEnded | None:
        """Return the end of the body before the wait; None if the turn does not wait."""
        body, self._body = self._body, None
        self.forget(Seen.WAITING)
        return body

    # --- ending -----------------------------------------------------------------

    def ended(self, body: BodyEnded) -> TurnEnded:
        """End the turn with the end of a body."""
        row = self.end(body.how)
        message = self._message(row, body)
        return row.ended(message=message, counts=self._totals(), samples=self._samples)

    def closed(self, closing: Closing, failure: Failure | None = None) -> TurnEnded:
        """End the turn inside a body, with the upstream's own error, if it sent one."""
        row = self.end(closing)
        return row.ended(failure=failure, counts=self._totals(), samples=self._samples)

    def _message(self, row: Ending, body: BodyEnded) -> str:
        """Return the message of a failure, empty for the row's own words."""
        if row is endings.EMPTY:
            return self._missing or row.words + self._said()
        if row is endings.PLAIN_WORDS and self._stray.startswith(_PAGE_START):
            return PAGE_SENTENCE
        if row in (endings.PLAIN_WORDS, endings.CUT):
            return row.words + ("" if self.has(Seen.TEXT) else self._said())
        return body.detail

    def _said(self) -> str:
        """Return the text of a stray line, but nothing of a web page (spec 11)."""
        if not self._stray or self._stray.startswith(_PAGE_START):
            return ""
        return f" It said: {quoted(self._stray)}"

    def _totals(self) -> dict[str, int]:
        return {**self._counts, "rewrite": self.rewrites} if self.rewrites else self._counts
