"""How a turn ends: the one table of it (spec 6.4), for all upstreams and all dialects.

Theory of operation
-------------------

A turn is one question to an upstream and all that comes of it, in one body or in several. How it
ends follows from three things and from nothing else:

* the `Phase`: how far the upstream said that it had come. Four `Word`s move it, by `PHASES`:

      OPEN ──end_turn──▶ LAST_WORD ──confirmation──▶ FINAL
       │ ▲ └─confirmation─▶ CONFIRMED ──end_turn──────▲
       │ │ followed             │
       ▼ │                      │
      HANDED_OFF ◀───hand-off───┘          (a hand-off after a last word changes nothing)

  An upstream with a terminal event, such as Codex's `response.completed`, has one word only,
  `CONFIRMATION`, and knows no last word: whatever items are done, it is OPEN until then.
* what was `Seen` of the turn by then: text, a picture, reasoning alone, …
* what closed it: the end of a body (`BodyEnd`), or something that ends a turn within a body
  (`Closing`), such as a moderation block.

`TABLE` has a row for each way to end. The rows are tried in order and the first that fits holds,
so that the order is part of the rules:

1. What closes a turn by itself comes first. A block is a block, whatever was said before.
2. A turn whose end was said, in whatever way, is as it was said, however its body ended: a
   connection that breaks behind `[DONE]` breaks nothing.
3. Within these, `EMPTY` goes before all others, and a turn is empty only if nothing `VISIBLE` is
   there: text, a picture, a call, a refusal or the item of a built-in tool. Reasoning alone is not.
   A file is always a link within text.
4. All other turns ended before their end, and never count as complete. Which error it is depends
   on what closed them; whether anything had arrived makes no difference. So `CUT` goes before
   `EMPTY`: a turn is empty only where its upstream said that this was all.

Rows without `closed_by` are decided elsewhere, by name: a limit of the caller's, a refusal before
the first event, a demand that was not met, a caller that left. They stand here because this table
is also the one that callers read: `make tables` writes it into docs/api.md and its translation.

What keeps a turn from ending, because it goes on in another place, is not in this table but in
that upstream's own: for the website `service/stages/translate/ending.py`.
"""

from enum import Flag, StrEnum, auto

from msgspec import Struct

from service.vocabulary.errors import (
    AuthError,
    EmptyResponseError,
    KeyLimitError,
    QueueFullError,
    RequestError,
    ServiceError,
    ShutdownError,
    UpstreamCutError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamRefusedError,
    UpstreamTimeoutError,
)
from service.vocabulary.events import BodyEnd, Failure, Outcome, TurnEnded


class Phase(StrEnum):
    """How far the upstream has announced the end of the turn."""

    OPEN = auto()
    HANDED_OFF = auto()  # the answer goes on in another body, which is not read yet
    LAST_WORD = auto()  # a finished visible message was the last of the turn (`end_turn`)
    CONFIRMED = auto()  # `[DONE]`, `message_stream_complete`, or a terminal event
    FINAL = auto()  # both
    OVER = auto()  # the turn has ended


class Word(StrEnum):
    """A signal of the upstream that moves the `Phase`."""

    HAND_OFF = auto()
    FOLLOWED = auto()  # what was handed off is being read, or cannot be
    END_TURN = auto()
    CONFIRMATION = auto()


PHASES: dict[Phase, dict[Word, Phase]] = {
    Phase.OPEN: {
        Word.HAND_OFF: Phase.HANDED_OFF,
        Word.END_TURN: Phase.LAST_WORD,
        Word.CONFIRMATION: Phase.CONFIRMED,
    },
    # `[DONE]` behind a hand-off ends this body only.
    Phase.HANDED_OFF: {Word.FOLLOWED: Phase.OPEN, Word.END_TURN: Phase.LAST_WORD},
    # A finished answer may still offer a hand-off (protocol 4.6).
    Phase.LAST_WORD: {Word.CONFIRMATION: Phase.FINAL},
    Phase.CONFIRMED: {Word.HAND_OFF: Phase.HANDED_OFF, Word.END_TURN: Phase.FINAL},
    Phase.FINAL: {},
    Phase.OVER: {},
}


class Seen(Flag):
    """What a turn has shown so far."""

    EVENTS = auto()  # a message, or the name of a conversation
    REASONING = auto()
    TEXT = auto()
    PICTURE = auto()
    CALL = auto()  # a call of one of the caller's functions
    REFUSAL = auto()
    ITEM = auto()  # the item of a tool that the upstream runs itself
    LIMIT = auto()  # the upstream's own token limit
    WORDS = auto()  # lines that are no events: often a proxy's own words
    CONVERSATION = auto()  # the upstream has named the conversation
    DRAWING = auto()  # signs of a picture that comes later
    MISSED = auto()  # why no answer came: a tool failed, or a wait was in vain
    WAITING = auto()  # more is waited for, so that nothing said so far is the end


NOTHING = Seen(0)
VISIBLE = Seen.TEXT | Seen.PICTURE | Seen.CALL | Seen.REFUSAL | Seen.ITEM


class Closing(StrEnum):
    """An event inside a body that ends the turn by itself."""

    BLOCKED = auto()  # by moderation
    CONSENT = auto()  # a GPT's action waits for a consent that cannot be given here
    ERROR_BODY = auto()  # an error in place of an answer, under status 200
    ERROR_EVENT = auto()
    WEBSOCKET = auto()  # the answer goes on in a WebSocket, which is not followed


Closed = BodyEnd | Closing
ENDED = frozenset({Phase.LAST_WORD, Phase.CONFIRMED, Phase.FINAL})
UNENDED = frozenset({Phase.OPEN, Phase.HANDED_OFF})
ANY_PHASE = ENDED | UNENDED


class Told(StrEnum):
    """The way in which a caller learns of an ending."""

    FINISH = auto()  # by a finish reason
    STATUS = auto()  # by the true status, as long as the head is not out
    FRAME = auto()  # by what arrived and an error behind it
    NOBODY = auto()  # the caller has left


class Pattern(Struct, frozen=True, kw_only=True):
    """The conditions of one row: closed by one of these, in one of these phases.

    Of the flags in `has` one is enough (none: no condition); none of those in `lacks` may be set.
    """

    closed_by: tuple[Closed, ...] = ()
    phases: frozenset[Phase] = ANY_PHASE
    has: Seen = NOTHING
    lacks: Seen = NOTHING

    def may_fit(self, closed_by: Closed, phase: Phase) -> bool:
        """Tell whether a turn that is closed by this in this phase meets these two conditions."""
        return closed_by in self.closed_by and phase in self.phases

    def fits(self, seen: int) -> bool:
        """Tell whether a turn with the bits of these flags seen meets the conditions on them."""
        has = self.has._value_
        return not self.lacks._value_ & seen and (not has or bool(has & seen))


class Ending(Struct, frozen=True, kw_only=True):
    """One way to end: one row of the table.

    A row with a `finish_reason` gives the caller an answer. A row with an `error` gives that error,
    with `words` as its message. A row with neither gives the error that the upstream reported.
    `raised` lists the exceptions that end a turn in this way when they are raised before its first
    event.
    """

    outcome: Outcome
    when: Pattern = Pattern()
    finish_reason: str | None = None
    error: type[ServiceError] | None = None
    words: str = ""
    raised: tuple[type[ServiceError], ...] = ()

    @property
    def told(self) -> Told:
        """The way in which the caller learns of this ending."""
        if self.finish_reason is not None:
            return Told.FINISH
        by_outcome = {Outcome.REFUSED: Told.STATUS, Outcome.ABANDONED: Told.NOBODY}
        return by_outcome.get(self.outcome, Told.FRAME)

    def ended(
        self,
        *,
        message: str = "",
        failure: Failure | None = None,
        counts: dict[str, int] | None = None,
        samples: dict[str, str] | None = None,
    ) -> TurnEnded:
        """Return the record that ends a turn in this way.

        Args:
            message: shown to the caller in place of `words`.
            failure: the upstream's own error, for rows without an `error`.
            counts: what was counted during the turn.
            samples: one example each of some kinds that were counted.
        """
        if failure is None and self.error is not None:
            failure = self.error(message or self.words).failure()
        return TurnEnded(self.outcome, self.finish_reason, failure, counts or {}, samples or {})


_ANY_END = tuple(BodyEnd)
_NO_MORE = (BodyEnd.CLEAN, BodyEnd.CUT, BodyEnd.UNRESUMED, BodyEnd.WAITED)

# --- what closes a turn by itself -------------------------------------------------------

BLOCKED = Ending(
    outcome=Outcome.FILTERED,
    when=Pattern(closed_by=(Closing.BLOCKED,)),
    finish_reason="content_filter",
)
CONSENT = Ending(
    outcome=Outcome.COMPLETE, when=Pattern(closed_by=(Closing.CONSENT,)), finish_reason="stop"
)
ERROR_BODY = Ending(
    outcome=Outcome.REFUSED, when=Pattern(closed_by=(Closing.ERROR_BODY,), lacks=VISIBLE)
)
ERROR = Ending(
    outcome=Outcome.FAILED, when=Pattern(closed_by=(Closing.ERROR_BODY, Closing.ERROR_EVENT))
)
WEBSOCKET = Ending(
    outcome=Outcome.FAILED,
    when=Pattern(closed_by=(Closing.WEBSOCKET,)),
    error=UpstreamError,
    words="The upstream answered with a WebSocket hand-off, which only backends of early 2024 "
    "do and this gateway does not follow; use an upstream that honours force_use_sse.",
)

# --- the upstream said that this was all, however its body ended ------------------------

EMPTY = Ending(
    outcome=Outcome.EMPTY,
    when=Pattern(closed_by=_ANY_END, phases=ENDED, lacks=VISIBLE | Seen.WAITING),
    error=EmptyResponseError,
    words="The upstream ended the turn without an answer.",
    raised=(EmptyResponseError,),
)
LENGTH = Ending(
    outcome=Outcome.LENGTH,
    when=Pattern(closed_by=_ANY_END, phases=ENDED, has=Seen.LIMIT, lacks=Seen.WAITING),
    finish_reason="length",
)
CALLS = Ending(
    outcome=Outcome.COMPLETE,
    when=Pattern(closed_by=_ANY_END, phases=ENDED, has=Seen.CALL, lacks=Seen.WAITING),
    finish_reason="tool_calls",
)
COMPLETE = Ending(
    outcome=Outcome.COMPLETE,
    when=Pattern(closed_by=_ANY_END, phases=ENDED, lacks=Seen.WAITING),
    finish_reason="stop",
)

# --- it ended before its end ------------------------------------------------------------

SILENT = Ending(
    outcome=Outcome.SILENT,
    when=Pattern(closed_by=(BodyEnd.SILENT,)),
    error=UpstreamTimeoutError,
    words="The upstream was silent for too long.",
    raised=(UpstreamTimeoutError,),
)
SHUTDOWN = Ending(
    outcome=Outcome.SHUTDOWN,
    when=Pattern(closed_by=(BodyEnd.SHUTDOWN,)),
    error=ShutdownError,
    words="This gateway is being stopped; please send it again.",
    raised=(ShutdownError,),
)
BROKEN = Ending(
    outcome=Outcome.FAILED,
    when=Pattern(closed_by=(BodyEnd.BROKEN,)),
    error=UpstreamProtocolError,
    words="The upstream's stream is not what was promised.",
)
# A body of plain words is an error body, not an answer that was cut (spec 11).
PLAIN_WORDS = Ending(
    outcome=Outcome.REFUSED,
    when=Pattern(closed_by=(BodyEnd.CLEAN, BodyEnd.CUT), has=Seen.WORDS, lacks=Seen.EVENTS),
    error=UpstreamError,
    words="The upstream answered in plain words.",
)
CUT = Ending(
    outcome=Outcome.CUT,
    when=Pattern(closed_by=_NO_MORE),
    error=UpstreamCutError,
    words="The upstream's answer was cut off before its end.",
    raised=(UpstreamCutError,),
)

# --- not decided by this table -----------------------------------------------------------

REFUSED = Ending(
    outcome=Outcome.REFUSED,
    raised=(UpstreamRefusedError, QueueFullError, KeyLimitError, AuthError, RequestError),
)
UNMET = Ending(outcome=Outcome.FAILED)  # the second answer did not meet the caller's demand either
GONE = Ending(outcome=Outcome.ABANDONED)

TABLE = (
    *(BLOCKED, CONSENT, ERROR_BODY, ERROR, WEBSOCKET),
    *(EMPTY, LENGTH, CALLS, COMPLETE),
    *(SILENT, SHUTDOWN, BROKEN, PLAIN_WORDS, CUT),
    *(REFUSED, UNMET, GONE),
)


# The rows that may hold, by what closes the turn and by its phase.
_MAY_HOLD: dict[tuple[Closed, Phase], tuple[Ending, ...]] = {
    (closed_by, phase): tuple(row for row in TABLE if row.when.may_fit(closed_by, phase))
    for closed_by in (*BodyEnd, *Closing)
    for phase in ANY_PHASE
}


def outcome_of(error: ServiceError) -> Outcome:
    """Return the outcome of a turn that raised this error before its first event."""
    return next((row.outcome for row in TABLE if isinstance(error, row.raised)), Outcome.FAILED)


_OPEN, _OVER = Phase.OPEN, Phase.OVER  # a member is slow to look up


class TurnState:
    """The progress of one turn, and the kinds of output shown.

    Any stage may read `phase`, what it `has` seen, and whether it `is_over`, so that later events are
    no part of it; only these methods change them.
    """

    def __init__(self) -> None:
        self.phase = _OPEN
        self.is_over = False
        self._seen = 0  # bits: an operation on flags costs ten times as much

    def has(self, what: Seen) -> bool:
        """Tell whether any of these was seen."""
        return bool(self._seen & what._value_)

    def hear(self, word: Word) -> None:
        """Move the phase by a signal of the upstream."""
        self.phase = PHASES[self.phase].get(word, self.phase)

    def see(self, what: Seen) -> None:
        """Note what was seen."""
        self._seen |= what._value_

    def forget(self, what: Seen) -> None:
        """Clear a flag that does not hold any more."""
        self._seen &= ~what._value_

    def end(self, closed_by: Closed) -> Ending:
        """End the turn, once, and return how it ended."""
        rows = _MAY_HOLD[closed_by, self.phase]
        ending = next(row for row in rows if row.when.fits(self._seen))
        self.phase, self.is_over = _OVER, True
        return ending
