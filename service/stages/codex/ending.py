"""How a turn of Codex's back end ended: spec 6.4, where only a terminal event ends an answer."""

from collections import Counter
from collections.abc import Collection

from service.stages.codex.events import Event
from service.upstream_errors.codex_refusals import UsageLimit, judge
from service.upstream_errors.refusals import quoted
from service.vocabulary.errors import (
    EmptyResponseError,
    ServiceError,
    ShutdownError,
    UpstreamCutError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeoutError,
)
from service.vocabulary.events import BodyEnd, BodyEnded, Outcome, TurnEnded, Unknown

_JSON_STARTS, _PAGE_START = ("{", "[", '"'), "<"
MAX_KINDS = 32  # kinds come from outside: more of them are counted together
EMPTY_DETAIL = "The upstream ended the turn without an answer."
PAGE_DETAIL = "The network before the upstream answered with a web page in place of data."


class CodexEnding:
    """What has been seen that decides how the answer ends.

    Args:
        now: seconds since 1970 when it began, from which errors count their waits.
        secrets: tokens that errors may not quote.
    """

    def __init__(self, now: float, secrets: Collection[str] = ()) -> None:
        self.has_events = False
        self.has_items = False
        self.limit: UsageLimit | None = None
        self._now = now
        self._secrets = secrets
        self._counts: Counter[str] = Counter()
        self._samples: dict[str, str] = {}
        self._stray = ""  # the first line that was no event: often a proxy's own words

    def count(self, unknown: Unknown) -> None:
        """Count something unexpected under its kind."""
        kind = unknown.kind
        if kind not in self._counts and len(self._counts) >= MAX_KINDS:
            kind = "other"
        self._counts[kind] += 1
        if unknown.sample:
            self._samples.setdefault(kind, unknown.sample)
        words = unknown.sample.strip()
        if kind in ("stray line", "not json") and not words.startswith(_JSON_STARTS):
            self._stray = self._stray or words

    def count_rewrites(self, number: int) -> None:
        """Count texts that became other ones at their end."""
        if number:
            self._counts["rewrite"] += number

    def completed(self, *, has_content: bool, has_calls: bool) -> TurnEnded:
        """End the turn as its last event says."""
        if not has_content:
            return self._failed(Outcome.EMPTY, EmptyResponseError(EMPTY_DETAIL))
        return self._ended(Outcome.COMPLETE, "tool_calls" if has_calls else "stop")

    def incomplete(self, reason: object) -> TurnEnded:
        """End a turn that a limit or the moderation has cut."""
        if reason == "content_filter":
            return self._ended(Outcome.FILTERED, "content_filter")
        return self._ended(Outcome.LENGTH, "length")

    def failed(self, event: Event) -> TurnEnded:
        """End the turn on an error, of the stream or in place of it."""
        judged = judge(event.as_error(), self._now, secrets=self._secrets)
        self.limit = judged.limit
        is_refused = not self.has_items
        return TurnEnded(
            Outcome.REFUSED if is_refused else Outcome.FAILED,
            None,
            judged.failure,
            dict(self._counts),
            self._samples,
        )

    def unfinished(self, body: BodyEnded) -> TurnEnded:
        """End the turn before its end, as its body did."""
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
            case BodyEnd.CLEAN | BodyEnd.CUT | BodyEnd.WAITED:
                return self._cut()

    def _cut(self) -> TurnEnded:
        """End a body without a last event; one of plain words is an error body (spec 11)."""
        if not self._stray or self.has_events:
            message = "The upstream's answer was cut off before its end."
            return self._failed(Outcome.CUT, UpstreamCutError(message))
        if self._stray.startswith(_PAGE_START):
            return self._failed(Outcome.REFUSED, UpstreamError(PAGE_DETAIL))
        said = quoted(self._stray, self._secrets)
        message = f"The upstream answered in plain words. It said: {said}"
        return self._failed(Outcome.REFUSED, UpstreamError(message))

    def _ended(self, outcome: Outcome, finish_reason: str) -> TurnEnded:
        return TurnEnded(outcome, finish_reason, None, dict(self._counts), self._samples)

    def _failed(self, outcome: Outcome, error: ServiceError) -> TurnEnded:
        return TurnEnded(outcome, None, error.failure(), dict(self._counts), self._samples)
