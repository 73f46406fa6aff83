"""What keeps a turn of the website from ending, and the words with which it ends.

How a turn ends is the table of `service/vocabulary/endings.py`. A body's end is not always the
turn's: `GOES_ON` has the three cases in which the answer is in another place. They are looked up
first, and each is a request to `upstream/`, which answers with more events:

* RESUME: a hand-off is pending, so the answer goes on in another body (protocol 4.6). `upstream/`
  feeds that body, or `UNRESUMED` where it cannot be had.
* AWAIT_PICTURE: the turn shows the signs of a picture that is drawn later (protocol 8.2b).
* AWAIT_ANSWER: the upstream said that this was all and nothing visible was there, or what it handed
  off could not be resumed. The answer, if there is one, is in the stored conversation.

A wait has no body: what is stored meanwhile comes as messages, and `WAITED` is its end. Nothing
that a body says of its own end counts until then, which is what `Seen.WAITING` is for. After it the
turn is looked at once more, as closed by the body from which it waited. Each wait comes once, so
that every turn ends.
"""

from collections import Counter
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
from service.vocabulary.events import BodyEnd, BodyEnded, Failure, TurnEnded

# How long silence may last before it counts as the end. Late citations and titles follow within a
# second; a picture may follow a last word, but then the upstream is not silent for long either.
PATIENCE_SECONDS = {Phase.LAST_WORD: 20.0, Phase.CONFIRMED: 5.0, Phase.FINAL: 5.0}
_JSON_STARTS, _PAGE_START = ("{", "[", '"'), "<"
MAX_KINDS = 32  # kinds come from outside: more of them are counted together
_ELSEWHERE = "The upstream continued this answer elsewhere, where nothing could be had."


class Step(StrEnum):
    """What a turn goes on with."""

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


class TurnSoFar(TurnState):
    """One turn of the website: how far it has come, what was counted, what it would say."""

    def __init__(self) -> None:
        super().__init__()
        self.rewrites = 0
        self.awaited: Step | None = None  # what the turn waits for now, or waited for last
        self._waited: set[Step] = set()
        self._body: BodyEnded | None = None  # from whose end it waits
        self._counts: Counter[str] = Counter()
        self._samples: dict[str, str] = {}  # the first of each kind
        self._missing = ""  # why nothing is there
        self._stray = ""  # the first line that was no event

    @property
    def is_waiting(self) -> bool:
        """Whether the turn goes on without a body, until what it waits for is there."""
        return bool(self.seen & Seen.WAITING)

    @property
    def patience_seconds(self) -> float | None:
        """How long silence may still last before it counts as the end, None: no end is in sight."""
        return PATIENCE_SECONDS.get(self.phase)

    def note_finish(self, finish_type: str | None, *, is_end_turn: bool) -> None:
        """Take the last word of a visible message that is finished."""
        if finish_type == "max_tokens":
            self.see(Seen.LIMIT)
        else:
            self.forget(Seen.LIMIT)
        if is_end_turn:
            self.hear(Word.END_TURN)

    def note_missing(self, problem: str) -> None:
        """Note why nothing is there, which leaves nothing to wait for."""
        self._missing = problem
        self.see(Seen.MISSED)

    def count_unknown(self, kind: str, sample: str = "") -> None:
        """Count something unexpected under a kind."""
        if kind not in self._counts and len(self._counts) >= MAX_KINDS:
            kind = "other"
        self._counts[kind] += 1
        if sample:
            self._samples.setdefault(kind, sample)
        words = sample.strip()
        # What begins as JSON is an event that was cut: it says nothing.
        is_said = kind in ("stray line", "not json") and not words.startswith(_JSON_STARTS)
        if is_said and words and not self._stray:
            self._stray = words
            self.see(Seen.WORDS)

    # --- going on ---------------------------------------------------------------

    def step_after(self, body: BodyEnded) -> Step | None:
        """Return what the turn goes on with after the end of a body, None: it ends."""
        return next(
            (
                step
                for step, pattern in GOES_ON
                if step not in self._waited and self.fits(pattern, body.how)
            ),
            None,
        )

    def follow(self) -> None:
        """Go on in the body that the answer was handed to."""
        self._missing = _ELSEWHERE
        self.hear(Word.FOLLOWED)

    def begin_wait(self, step: Step, body: BodyEnded) -> None:
        """Wait for what comes later, from this end of a body on."""
        self.awaited, self._body = step, body
        self._waited.add(step)
        self.hear(Word.FOLLOWED)  # a hand-off that nothing came of is none any more
        self.see(Seen.WAITING)

    def end_wait(self) -> BodyEnded | None:
        """Return the end from which the turn waited; None when it does not wait."""
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
        """End the turn within a body, with the error that the upstream told, if it did."""
        row = self.end(closing)
        return row.ended(failure=failure, counts=self._totals(), samples=self._samples)

    def _message(self, row: Ending, body: BodyEnded) -> str:
        """Return what a caller is told of a failure, empty for the row's own words."""
        if row is endings.EMPTY:
            return self._missing or row.words + self._said()
        if row is endings.PLAIN_WORDS and self._stray.startswith(_PAGE_START):
            return PAGE_SENTENCE
        if row in (endings.PLAIN_WORDS, endings.CUT):
            return row.words + ("" if self.seen & Seen.TEXT else self._said())
        return body.detail

    def _said(self) -> str:
        """Return what a line that was no event said, but nothing of a page (spec 11)."""
        if not self._stray or self._stray.startswith(_PAGE_START):
            return ""
        return f" It said: {quoted(self._stray)}"

    def _totals(self) -> dict[str, int]:
        if self.rewrites:
            self._counts["rewrite"] += self.rewrites
        return dict(self._counts)
