"""The fast lane: plain text goes from the upstream's bytes to the caller in the moment it arrives.

    chunk -> [stages.increments] -> text ─────────────────────────▶ Outlet, at once
                                      └─▶ the stages, later and many at once, for what they keep

The stages are the definition of what an answer says. The lane only foretells it, where that is
easy: a visible text grows and nothing else happens. It is given to the stages later, in one piece,
and what they make of it should be what was said already. All else takes the usual way.
"""

from typing import Protocol

from service.pipeline.joined import Answer, Reader
from service.stages.decode.increments import Deltas, Run, Snapshots
from service.stages.markup.markers import plain_chars
from service.stages.render.bot_format import Render
from service.vocabulary.events import AnswerText, Delta
from service.vocabulary.rendered import Rendered
from service.vocabulary.text import common_chars

SETTLE_EVENTS = 64  # are given to the stages together
SETTLE_CHARS = 8_000  # likewise, and kept until then
DIFFERENCE = "fast lane"  # the kind of anomaly, should the stages say something else
MAX_TAIL_BYTES = 64 * 1024  # of an event that is not whole yet; the stages have their own limit


class Outlet(Protocol):
    """Where the text of an answer goes in this process."""

    def is_ready(self) -> bool:
        """Return whether `put` can be called now."""

    def put(self, text: str, /) -> None:
        """Send text; neither waits nor raises."""

    def gather(self, pieces: list[Rendered], /) -> None:
        """Take what the stages made of the text that was put, which is not to be sent again."""


class FastLane:
    """The lane of one answer.

    All bytes of a turn pass `take`, each when everything before it has been delivered; the stages
    get what it returns and, after the last one, what `end` does. Behind each of the two, `left`
    has deltas that are to be delivered first.

    If the stages make something else of the text than what was put, that is counted, the lane is
    closed for the rest of the turn, and the caller gets what of theirs was not said.

    Args:
        render: the stage that renders the answer, on the usual way as well.
        outlet: where its text goes.
    """

    __slots__ = (
        "_answer",
        "_chars",
        "_count",
        "_event",
        "_held",
        "_is_closed",
        "_left",
        "_outlet",
        "_put",
        "_reader",
        "_recogniser",
        "_render",
        "_tail",
        "_texts",
    )

    def __init__(self, render: Render, outlet: Outlet) -> None:
        self._render = render
        self._outlet = outlet
        self._reader: Reader | None = None
        self._answer: Answer | None = None
        self._recogniser: Deltas | Snapshots | None = None
        self._held = ""  # text that may be the start of a marker
        self._tail = b""  # of an event that is not whole yet
        # What the stages do not know yet:
        self._count = 0
        self._chars = 0
        self._texts: list[str] = []
        self._event = b""
        self._put: list[str] = []
        self._is_closed = False
        self._left: list[Delta] = []

    @property
    def count(self) -> int:
        """How many events the reader has not counted yet."""
        return self._count

    def begin(self, reader: Reader, answer: Answer) -> None:
        """Begin a turn that is read by these stages."""
        self._reader = reader
        self._answer = answer

    def left(self) -> list[Delta]:
        """Return deltas of text that was dealt with, which the stages have still to deliver."""
        left, self._left = self._left, []
        return left

    def take(self, chunk: bytes) -> bytes:
        """Send what a chunk says, and return what is left of it for the stages."""
        chunk = self._tail + chunk if self._tail else chunk
        recogniser = self._recogniser
        if recogniser is None:
            recogniser = self._recogniser = self._begin_run(chunk)
        if recogniser is None or not self._outlet.is_ready():
            return self._leave(chunk)
        run = recogniser.read(chunk)
        text = self._held + run.text if run else ""
        size = plain_chars(text)
        if run is not None and size >= 0:
            self._note(run, text, size)
            chunk = chunk[run.size :]
        if size < 0 or len(chunk) > MAX_TAIL_BYTES or not recogniser.may_begin(chunk):
            return self._leave(chunk)
        self._tail = chunk
        return b""

    def end(self) -> bytes:
        """Return what is left for the stages at the end of a body."""
        self._settle()
        self._recogniser = None
        tail, self._tail = self._tail, b""
        return tail

    def _begin_run(self, chunk: bytes) -> Deltas | Snapshots | None:
        """Return what reads a chunk as long as all goes on like this, if that is so."""
        if self._reader is None or self._answer is None:
            return None
        if self._is_closed or not self._render.is_plain:
            return None
        growing = self._answer.growing
        if growing is None:
            return None
        self._held = growing.held
        return self._reader.recogniser(growing.message_id, growing.text, chunk)

    def _note(self, run: Run, text: str, size: int) -> None:
        if size:
            said = text if size == len(text) else text[:size]
            self._outlet.put(said)
            self._put.append(said)
        self._held = text[size:]
        self._texts.append(run.text)
        self._chars += len(run.text)
        self._event = run.event
        self._count += run.count
        if self._count >= SETTLE_EVENTS or self._chars >= SETTLE_CHARS:
            self._settle()

    def _leave(self, chunk: bytes) -> bytes:
        """Let the stages go on with a chunk: with its whole events, so that others can follow."""
        self._settle()
        self._recogniser = None
        end = chunk.rfind(b"\n\n") + 2
        if end < 2 or len(chunk) - end > MAX_TAIL_BYTES:  # noqa: PLR2004 - the two line feeds
            end = len(chunk)
        self._tail = chunk[end:]
        return chunk[:end]

    def _settle(self) -> None:
        """Let the stages know what was said meanwhile, and keep what they would have said."""
        if not self._count or self._reader is None or self._answer is None:
            return
        if self._event:
            self._reader.consumed += self._count - 1
            events = self._reader.feed(self._event)
        else:
            events = [self._reader.grow("".join(self._texts), self._count)]
        deltas = [delta for event in events for delta in self._answer.feed(event)]
        put = "".join(self._put)
        told = "".join(delta.text for delta in deltas if isinstance(delta, AnswerText))
        if put != told or not all(isinstance(delta, AnswerText) for delta in deltas):
            self._answer.note(DIFFERENCE)
            self._is_closed, self._recogniser = True, None
            self._left += _unsaid(deltas, common_chars(put, told))
        self._outlet.gather(self._render.feed(AnswerText(put)) if put else [])
        self._count = self._chars = 0
        self._event = b""
        self._texts.clear()
        self._put.clear()


def _unsaid(deltas: list[Delta], chars: int) -> list[Delta]:
    """Return deltas without the first characters of their text, which the caller has."""
    unsaid: list[Delta] = []
    for delta in deltas:
        if not isinstance(delta, AnswerText):
            unsaid.append(delta)
            continue
        if len(delta.text) > chars:
            unsaid.append(AnswerText(delta.text[chars:]))
        chars = max(0, chars - len(delta.text))
    return unsaid
