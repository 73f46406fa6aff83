"""The fast lane: plain text goes from the upstream's bytes to the caller the moment it arrives.

    chunk -> [decode.increments] -> text ─────────────────────────▶ Outlet, at once
                                      └─▶ the stages, later and many at once, for what they keep

Theory of operation
-------------------

Nearly every event of an answer says the same: "and this text, too". For example:

    data: {"v": " sat on the mat"}

The usual way takes such an event through half a dozen stages. The lane recognises it by its bytes,
in the same callback, and sends its text at once.

*The stages define what an answer says; the lane only predicts it.* It predicts one case: a visible
message is growing, and all that happens is that it grows further. Three parts agree on that before
a run of events begins: `Render.is_plain` (nothing is rendered around the text), `Answer.growing`
(the stages would do nothing but lengthen this message), and a recogniser for the form of the last
event. Then each chunk is read by `take`:

1. The recogniser reads as many events as have exactly that form: `Run.text` is their text, and
   `Run.size` the number of bytes that were read.
2. Of that text, the part before a possible marker is sent (`Outlet.put`). The rest is held, as
   the stage for markers would hold it.
3. What remains of the chunk may be the beginning of one more such event. Then it waits for the next
   chunk. Anything else ends the run: the chunk goes to the stages, from there on the usual way. They
   take a long one in slices, and the lane is asked again after each (`take_rest`).

*The prediction is checked.* After some hundred reads, or when a run ends, the stages are given
the text in one piece (`settle`), because they keep the message, its offsets and its counts. They
should make of it the text that was sent, to the letter. If they differ, the stages are right: the
difference is counted, the lane is closed for the rest of the turn, and the caller gets the part of
their text that was not sent yet (`left`).

*Order is kept.* A chunk comes only when the sink is ready, so the caller has been sent all that came
before. Only the head of the answer may still be missing; then the outlet is not open, and the chunk
takes the usual way. The lane itself never waits, since it runs inside a callback. It `is_full` when
the caller has to read first, and then the line waits before the next chunk.

*It is bounded.* At most `SETTLE_PIECES` pieces, one for each read, with `SETTLE_CHARS` characters and
`MAX_TAIL_BYTES` bytes of an incomplete event are held back from the stages.
"""

from typing import Protocol

from service.pipeline.joined import Reader
from service.stages.decode.changes import Growing, Run
from service.stages.decode.increments import Deltas, Snapshots
from service.stages.markup.markers import plain_chars
from service.stages.render.bot_format import Render
from service.vocabulary.events import AnswerText, Delta, UpstreamEvent
from service.vocabulary.rendered import Rendered
from service.vocabulary.text import common_chars

SETTLE_PIECES = 256  # pieces of text held back before the stages get them together
SETTLE_CHARS = 8_000  # characters, likewise
DIFFERENCE = "fast lane"  # the kind under which a difference is counted
MAX_TAIL_BYTES = 64 * 1024  # of an incomplete event; the stages have their own limit


class Outlet(Protocol):
    """The destination of the answer's text in this process."""

    is_open: bool
    """Whether `put` may be called now."""

    def put(self, text: str, /) -> bool:
        """Send text, and tell whether the caller is ready for more. Neither waits nor raises."""

    def gather(self, pieces: list[Rendered], /) -> None:
        """Note the rendered pieces of text that `put` has sent already; they are not sent again."""


class AnswerStages(Protocol):
    """The stages from events to deltas: `joined.Answer`."""

    @property
    def growing(self) -> Growing | None:
        """The message that further text would only lengthen, if any."""

    def feed(self, event: UpstreamEvent, /) -> list[Delta]:
        """Return the deltas of an event."""

    def note(self, kind: str, /) -> None:
        """Count an unexpected kind."""


class FastLane:
    """The lane of one answer.

    Every chunk of the turn goes through `take`, after all that came before it was delivered. The
    stages get the bytes that `take` returns, and after the last chunk those that `end` returns.
    After each call, the deltas in `left` have to be delivered before anything else.

    `count` is the number of events that the reader has not counted yet. It `is_full` if the caller
    has to read what the last chunk brought before another chunk comes.

    Args:
        render: the stage that renders the answer, shared with the usual way.
        outlet: where the text goes.
    """

    __slots__ = (
        "_answer",
        "_chars",
        "_event",
        "_held",
        "_is_closed",
        "_known",
        "_outlet",
        "_put",
        "_reader",
        "_recogniser",
        "_render",
        "_tail",
        "count",
        "is_full",
        "left",
    )

    def __init__(self, render: Render, outlet: Outlet) -> None:
        self.count = 0
        self.is_full = False
        self.left: list[Delta] = []  # of text already processed here that still has to be delivered
        self._render = render
        self._outlet = outlet
        self._reader: Reader | None = None
        self._answer: AnswerStages | None = None
        self._recogniser: Deltas | Snapshots | None = None
        self._held = ""  # the end of the text, which may be the start of a marker
        self._tail = b""  # an incomplete event
        self._known = 0  # how much of that end the stages have been given
        # What they have not been given yet:
        self._chars = 0
        self._event = b""
        self._put: list[str] = []
        self._is_closed = False

    def begin(self, reader: Reader, answer: AnswerStages) -> None:
        """Begin a turn that is read by these stages."""
        self._reader = reader
        self._answer = answer

    def take_left(self) -> list[Delta]:
        """Return the deltas that are `left`, and forget them."""
        left, self.left = self.left, []
        return left

    def take(self, chunk: bytes) -> bytes:
        """Send the plain text of a chunk, and return the bytes that are left for the stages."""
        recogniser, tail = self._recogniser, self._tail
        if recogniser is None:
            recogniser = self._recogniser = self._begin_run(tail + chunk)
        if recogniser is None or not self._outlet.is_open:
            return self._leave(tail + chunk)
        run = recogniser.read(chunk, tail)
        if run is None:
            rest = tail + chunk
        elif self._send(run):
            rest = chunk[run.size - len(tail) :]  # nothing, as nearly always
        else:
            return self._leave(tail + chunk)
        if rest and (len(rest) > MAX_TAIL_BYTES or not recogniser.may_begin(rest)):
            return self._leave(rest)
        self._tail = rest
        return b""

    def take_rest(self, rest: bytes) -> bytes:
        """Take the rest of a chunk that was left for the stages, which have had what is before it."""
        rest, self._tail = rest + self._tail, b""
        return self.take(rest)

    def end(self) -> bytes:
        """Return the bytes that are left for the stages at the end of a body."""
        self.settle()
        self._recogniser = None
        tail, self._tail = self._tail, b""
        return tail

    def _begin_run(self, chunk: bytes) -> Deltas | Snapshots | None:
        """Return the recogniser for this chunk while the answer only grows, else None."""
        if self._reader is None or self._answer is None:
            return None
        if self._is_closed or not self._render.is_plain:
            return None
        growing = self._answer.growing
        if growing is None:
            return None
        self._held, self._known = growing.held, len(growing.held)
        return self._reader.recogniser(growing.message_id, growing.text, chunk)

    def _send(self, run: Run) -> bool:
        """Send the plain text of a run; False if the run is for the stages."""
        text = self._held + run.text if self._held else run.text
        size = plain_chars(text)
        if size < 0:
            return False
        said, self._held = (text, "") if size == len(text) else (text[:size], text[size:])
        if said:
            self.is_full = not self._outlet.put(said)
            self._put.append(said)
            self._chars += size
        self._event = run.event
        self.count += run.count
        if len(self._put) >= SETTLE_PIECES or self._chars >= SETTLE_CHARS:
            self.settle()
        return True

    def _leave(self, chunk: bytes) -> bytes:
        """Return the complete events of a chunk for the stages, and keep the rest for the next one."""
        self.settle()
        self._recogniser = None
        end = chunk.rfind(b"\n\n") + 2
        if end < 2 or len(chunk) - end > MAX_TAIL_BYTES:  # noqa: PLR2004 - the two line feeds
            end = len(chunk)
        self._tail = chunk[end:]
        return chunk[:end]

    def settle(self) -> None:
        """Give the stages the text that was sent; if they differ, close the lane and keep the rest.

        Who abandons an answer calls it, too, so that all text that was sent is counted.
        """
        if not self.count or self._reader is None or self._answer is None:
            return
        put = "".join(self._put)
        if self._event:
            self._reader.consumed += self.count - 1
            events = self._reader.feed(self._event)
        else:
            text = (put + self._held)[self._known :]
            events = [self._reader.grow(text, self.count)]
        deltas = [delta for event in events for delta in self._answer.feed(event)]
        told = "".join(delta.text for delta in deltas if isinstance(delta, AnswerText))
        if put != told or not all(isinstance(delta, AnswerText) for delta in deltas):
            self._answer.note(DIFFERENCE)
            self._is_closed, self._recogniser = True, None
            self.left += _unsaid(deltas, common_chars(put, told))
        self._outlet.gather(self._render.feed(AnswerText(put)) if put else [])
        self.count = self._chars = 0
        self._known = len(self._held)
        self._event = b""
        self._put.clear()


def _unsaid(deltas: list[Delta], chars: int) -> list[Delta]:
    """Return the deltas without the first `chars` characters, which the caller has already."""
    unsaid: list[Delta] = []
    for delta in deltas:
        if not isinstance(delta, AnswerText):
            unsaid.append(delta)
            continue
        if len(delta.text) > chars:
            unsaid.append(AnswerText(delta.text[chars:]))
        chars = max(0, chars - len(delta.text))
    return unsaid
