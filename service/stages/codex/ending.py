"""How a turn of Codex's back end ends, by the table of `service/vocabulary/endings.py` (spec 6.4).

Only a terminal event confirms the end: a body without one is cut, whatever items are done.
"""

from collections import Counter
from collections.abc import Collection

from service.stages.codex.events import error_in
from service.stages.codex.raw_events import Event
from service.upstream_errors.codex_refusals import UsageLimit, judge
from service.upstream_errors.refusals import quoted
from service.vocabulary.endings import NOTHING, PLAIN_WORDS, Closing, Seen, TurnState, Word
from service.vocabulary.events import BodyEnd, BodyEnded, TurnEnded, Unknown

_JSON_STARTS, _PAGE_START = ("{", "[", '"'), "<"
MAX_KINDS = 32  # kinds come from outside: further ones are counted together
PAGE_DETAIL = "The network before the upstream answered with a web page in place of data."


class CodexEnding:
    """Collects what decides how the answer ends.

    Args:
        now: seconds since 1970 when it began, from which errors count their waits.
        secrets: tokens that errors may not quote.
    """

    def __init__(self, now: float, secrets: Collection[str] = ()) -> None:
        self.state = TurnState()
        self._seen = NOTHING  # what was seen last, or nothing but an event
        self.has_items = False
        self.limit: UsageLimit | None = None
        self._now = now
        self._secrets = secrets
        self._counts: Counter[str] = Counter()
        self._samples: dict[str, str] = {}
        self._words = ""  # the first line that was no event, often a proxy's message

    def see(self, seen: Seen) -> None:
        """Note what was seen: for each event, nearly always the same as before."""
        if seen is not self._seen:
            self._seen = seen
            self.state.see(seen | Seen.EVENTS)

    def count(self, unknown: Unknown) -> None:
        """Count an unexpected event under its kind."""
        kind = unknown.kind
        if kind not in self._counts and len(self._counts) >= MAX_KINDS:
            kind = "other"
        self._counts[kind] += 1
        if unknown.sample:
            self._samples.setdefault(kind, unknown.sample)
        words = unknown.sample.strip()
        # A line that begins like JSON is a cut event, not a message.
        if kind in ("stray line", "not json") and not words.startswith(_JSON_STARTS):
            self._words = self._words or words
            self.state.see(Seen.WORDS)

    def count_rewrites(self, number: int) -> None:
        """Count texts that were replaced at their end."""
        if number:
            self._counts["rewrite"] += number

    def completed(self) -> TurnEnded:
        """End the turn as its last event says."""
        self.state.hear(Word.CONFIRMATION)
        return self._ended(BodyEnd.CLEAN)

    def incomplete(self, reason: object) -> TurnEnded:
        """End a turn that was cut by a limit or by moderation."""
        if reason == "content_filter":
            return self._ended(Closing.BLOCKED)
        self.state.see(Seen.LIMIT)
        return self.completed()

    def failed(self, event: Event) -> TurnEnded:
        """End the turn with an error event or an error body."""
        judged = judge(error_in(event), self._now, secrets=self._secrets)
        self.limit = judged.limit
        is_body = not event.type and not self.has_items
        row = self.state.end(Closing.ERROR_BODY if is_body else Closing.ERROR_EVENT)
        return row.ended(failure=judged.failure, counts=dict(self._counts), samples=self._samples)

    def unfinished(self, body: BodyEnded) -> TurnEnded:
        """End the turn at the end of its body, before its own end."""
        return self._ended(body.how, body.detail)

    def _ended(self, closed_by: BodyEnd | Closing, message: str = "") -> TurnEnded:
        row = self.state.end(closed_by)
        if row is PLAIN_WORDS:
            is_page = self._words.startswith(_PAGE_START)
            said = f"{row.words} It said: {quoted(self._words, self._secrets)}"
            message = PAGE_DETAIL if is_page else said
        return row.ended(message=message, counts=dict(self._counts), samples=self._samples)
