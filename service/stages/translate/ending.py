"""How a turn ended: the table of spec 6.4 as one small state (protocol 2.12)."""

from collections import Counter

from service.upstream_errors.refusals import PAGE_SENTENCE, quoted
from service.vocabulary.errors import (
    EmptyResponseError,
    ShutdownError,
    UpstreamCutError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeoutError,
)
from service.vocabulary.events import (
    BodyEnd,
    BodyEnded,
    Outcome,
    TurnEnded,
    UpstreamFault,
)

CONFIRMED_PATIENCE_SECONDS = 5.0
END_TURN_PATIENCE_SECONDS = 20.0
_JSON_STARTS, _PAGE_START = ("{", "[", '"'), "<"
MAX_KINDS = 32  # kinds come from outside: more of them are counted together


class Ending:
    """What has been seen that decides how the answer ends."""

    def __init__(self) -> None:
        self.is_over = False
        self.is_handed_off = False
        self.has_events = False  # a message or a named conversation
        self.has_answer = False
        self.has_asset = False
        self.rewrites = 0
        self._is_hand_off_pending = False
        self._is_confirmed = False  # by `[DONE]` or `message_stream_complete`
        self._is_end_turn = False
        self._is_length = False
        self._counts: Counter[str] = Counter()
        self._samples: dict[str, str] = {}  # the first of each kind
        self._missing = ""  # why a picture that was awaited is not there
        self._stray = ""  # the first line that was no event: often a proxy's own words

    @property
    def patience_seconds(self) -> float | None:
        """How long silence may still last before it counts as the end, None: no end is in sight.

        Late citations and titles follow within a second; a picture may follow a
        last word, but then the upstream is not silent for long either.
        """
        if self._is_hand_off_pending:
            return None
        if self._is_confirmed:
            return CONFIRMED_PATIENCE_SECONDS
        return END_TURN_PATIENCE_SECONDS if self._is_end_turn else None

    def hand_off(self) -> None:
        """Note that the answer goes on elsewhere."""
        self.is_handed_off = self._is_hand_off_pending = True

    def takes_hand_off(self, how: BodyEnd) -> bool:
        """Return whether this end of a body is a hand-off to follow; each one counts once.

        A finished turn may still advertise one (protocol 4.6).
        """
        is_taken = (
            self._is_hand_off_pending
            and not self._is_end_turn
            and how in (BodyEnd.CLEAN, BodyEnd.CUT)
        )
        self._is_hand_off_pending = False
        return is_taken

    def confirm(self) -> None:
        """Take `[DONE]` or `message_stream_complete`, which with a hand-off ends only this body."""
        self._is_confirmed = not self._is_hand_off_pending or self._is_end_turn

    def note_finish(self, finish_type: str | None, *, is_end_turn: bool) -> None:
        """Take the last word of a visible message that is finished."""
        self._is_length = finish_type == "max_tokens"
        self._is_end_turn = self._is_end_turn or is_end_turn

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
        if is_said and not self._stray:
            self._stray = words

    def blocked(self) -> TurnEnded:
        """End the turn on a moderation block."""
        return self._ended(Outcome.FILTERED, "content_filter")

    def wants_consent(self) -> TurnEnded:
        """End the turn on a GPT action that nobody can consent to here."""
        return self._ended(Outcome.COMPLETE, "stop")

    def failed(self, fault: UpstreamFault) -> TurnEnded:
        """End the turn on an error of the upstream."""
        is_refused = fault.is_body and not self.has_answer and not self.has_asset
        outcome = Outcome.REFUSED if is_refused else Outcome.FAILED
        self.is_over = True
        return TurnEnded(outcome, None, fault.failure, self._totals(), self._samples)

    def handed_to_websocket(self) -> TurnEnded:
        """End the turn on a hand-off that is not followed."""
        message = (
            "The upstream answered with a WebSocket hand-off, which only backends of early 2024 "
            "do and this gateway does not follow; use an upstream that honours force_use_sse."
        )
        return self._failed(Outcome.FAILED, UpstreamError(message))

    def at_end_of_body(self, body: BodyEnded) -> TurnEnded:
        """End the turn because no more will come."""
        if not (self._is_confirmed or self._is_end_turn):
            return self.unfinished(body)
        if not (self.has_answer or self.has_asset):
            return self._failed(Outcome.EMPTY, EmptyResponseError(self._why_empty()))
        if self._is_length:
            return self._ended(Outcome.LENGTH, "length")
        return self._ended(Outcome.COMPLETE, "stop")

    def note_missing(self, problem: str) -> None:
        """Note why an awaited picture is not there, for an answer that has nothing else."""
        self._missing = problem

    def unfinished(self, body: BodyEnded) -> TurnEnded:
        """End the turn before its end, as its body did."""
        said = "" if self.has_answer else self._said()
        match body.how:
            case BodyEnd.SILENT:
                message = body.detail or "The upstream was silent for too long."
                return self._failed(Outcome.SILENT, UpstreamTimeoutError(message))
            case BodyEnd.SHUTDOWN:
                message = body.detail or "This gateway is being stopped; please send it again."
                return self._failed(Outcome.SHUTDOWN, ShutdownError(message))
            case BodyEnd.BROKEN:
                message = body.detail or "The upstream's stream is not what was promised."
                return self._failed(Outcome.FAILED, UpstreamProtocolError(message))
            case BodyEnd.CLEAN | BodyEnd.CUT if self._stray and not self.has_events:
                # A body of plain words is an error body, not an answer that was cut (spec 11).
                message = f"The upstream answered in plain words.{said}"
                if self._stray.startswith(_PAGE_START):
                    message = PAGE_SENTENCE
                return self._failed(Outcome.REFUSED, UpstreamError(message))
            case BodyEnd.CLEAN | BodyEnd.CUT | BodyEnd.WAITED:
                message = "The upstream's answer was cut off before its end."
                return self._failed(Outcome.CUT, UpstreamCutError(message + said))

    def _why_empty(self) -> str:
        if self.is_handed_off:
            return "The upstream continued this answer elsewhere, where nothing could be had."
        if self._missing:
            return self._missing
        return f"The upstream ended the turn without an answer.{self._said()}"

    def _said(self) -> str:
        """Return what a line that was no event said, but nothing of a page (spec 11)."""
        if not self._stray or self._stray.startswith(_PAGE_START):
            return ""
        return f" It said: {quoted(self._stray)}"

    def _ended(self, outcome: Outcome, finish_reason: str) -> TurnEnded:
        self.is_over = True
        return TurnEnded(outcome, finish_reason, None, self._totals(), self._samples)

    def _failed(self, outcome: Outcome, error: UpstreamError | ShutdownError) -> TurnEnded:
        self.is_over = True
        return TurnEnded(outcome, None, error.failure(), self._totals(), self._samples)

    def _totals(self) -> dict[str, int]:
        if self.rewrites:
            self._counts["rewrite"] += self.rewrites
        return dict(self._counts)
