"""The line of stages, and the sink that runs stages over batches.

Beside it runs `service/pipeline/fast_lane.py`, for text that needs none of this.

What passes between stages is a batch: all that one read of the upstream produced, so that one read
becomes one write to the caller.

    chunk -> [sse, supersede, parse] -> UpstreamEvent
          -> [translate, markers]    -> Delta -> assets (async, in upstream/)
          -> [bot format, limit]     -> Rendered -> encode
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from service.stages.decode.changes import Growing, Run
from service.stages.decode.increments import (
    Deltas,
    Snapshots,
    deltas_like,
    first_delta,
    snapshots_like,
)
from service.stages.decode.parse import Parse
from service.stages.decode.sse import MAX_EVENT_BYTES, DecodeSse
from service.stages.decode.supersede import SkipSuperseded, message_id_of
from service.stages.markup.markers import Markers, plain_chars
from service.stages.render.bot_format import Render
from service.stages.translate.translate import Told, Translate
from service.vocabulary.events import (
    AnswerText,
    BodyEnd,
    BodyEnded,
    Delta,
    DoneReceived,
    Frame,
    SentHistory,
    TextAppended,
    UpstreamEvent,
)
from service.vocabulary.rendered import BotFormat
from service.vocabulary.text import join_surrogates

# A shorter chunk has few events, and is not worth the search for a run of increments.
MIN_RUN_BYTES = 256
# Of a text full of markers: a few milliseconds.
SLICE_CHARS = 2_500
_DONE = b"[DONE]"

In_contra = TypeVar("In_contra", contravariant=True)
Out_co = TypeVar("Out_co", covariant=True)


class Stage(Protocol[In_contra, Out_co]):
    """A pure step: one item in, zero or more out; it never waits."""

    def feed(self, item: In_contra, /) -> Iterable[Out_co]:
        """Return the products of this item."""


class Reader:
    """Turns one body into events; `follow` continues the turn with another body.

    `consumed` counts events as the `offset` of a resume does (protocol 4.6): all but pings, empty
    data and `[DONE]`. A reader that `is_paced` makes one event of each piece of text as the
    upstream sent it; others merge the pieces of one read and skip those that a later one
    supersedes.
    """

    def __init__(self, secrets: Collection[str] = (), *, is_paced: bool = False) -> None:
        self.consumed = 0
        self.is_paced = is_paced
        self._sse = DecodeSse()
        self._skip = SkipSuperseded()
        self._parse = Parse(secrets)
        self._last: Frame | None = None  # the last frame that was read

    @property
    def repeats(self) -> bool:
        """Whether the last event repeated its whole message, as those of v0 do."""
        return self._last is not None and message_id_of(self._last) is not None

    def feed(self, chunk: bytes) -> list[UpstreamEvent]:
        """Return the events that this chunk completes."""
        events: list[UpstreamEvent] = []
        is_long = len(chunk) >= MIN_RUN_BYTES and not self.is_paced
        at = first_delta(chunk) if is_long else -1
        while at >= 0:
            events += self._events(self._sse.feed(chunk[:at]))
            chunk = chunk[at:]
            run = self._run(chunk)
            if run is None:
                break
            events.append(self.grow(run.text, run.count))
            chunk = chunk[run.size :]
            at = first_delta(chunk)
        events += self._events(self._sse.feed(chunk))
        if len(events) > 1 and not self.is_paced:
            events = merged(events)
            if isinstance(last := events[-1], TextAppended):
                self._parse.share(last.text)  # a joined text is a copy; keep only one
        if self._sse.is_overflowing:
            size = MAX_EVENT_BYTES // 1024 // 1024
            detail = f"The upstream sent one event of more than {size} MiB."
            events.append(BodyEnded(BodyEnd.BROKEN, detail))
        return events

    def end(self, body: BodyEnded) -> list[UpstreamEvent]:
        """Return the events completed by the end of the body, and that end unless `[DONE]` came.

        The last line may lack its line end: `[DONE]` there ends the body as usual, also after a
        hand-off, and a body ends only once.
        """
        events = self._events(self._sse.finish())
        return events if DoneReceived() in events else [*events, body]

    def follow(self) -> None:
        """Prepare for the first byte of another body that continues the same deltas."""
        self._sse = DecodeSse()
        self._skip = SkipSuperseded()
        self._last = None

    def recogniser(self, message_id: str, text: str, chunk: bytes) -> Deltas | Snapshots | None:
        """Return the recogniser of further events like the last one, while only this message grows.

        Args:
            message_id: the message that grows.
            text: the whole text of the message so far.
            chunk: the next bytes; they begin with an event.
        """
        if not self._sse.is_between:
            return None
        if self._parse.growing == message_id:
            return deltas_like(chunk)
        own_id = message_id.encode(errors="surrogatepass")
        if self._last is None or message_id_of(self._last) != own_id:
            return None
        return snapshots_like(self._last.data, text)

    def grow(self, text: str, count: int) -> UpstreamEvent:
        """Return one event for the text of `count` v1 increments that a recogniser has read."""
        self.consumed += count
        self._skip.forget()
        self._last = None
        return self._parse.grow(text)

    def _run(self, chunk: bytes) -> Run | None:
        """Return the v1 increments at the start of a chunk, if they all append to one text."""
        if self._parse.growing is None or not self._sse.is_between:
            return None
        deltas = deltas_like(chunk)
        return None if deltas is None else deltas.read(chunk)

    def _events(self, frames: list[Frame]) -> list[UpstreamEvent]:
        if not frames:
            return []
        self._last = frames[-1]
        for frame in frames:
            self.consumed += _counts(frame)
        if len(frames) > 1 and not self.is_paced:
            frames = self._skip.feed_batch(frames)
        events: list[UpstreamEvent] = []
        for frame in frames:
            events += self._parse.feed(frame)
        return events


def merged(events: Iterable[UpstreamEvent]) -> list[UpstreamEvent]:
    """Return the events of one read with neighbouring increments of one message merged.

    This makes pieces larger only where several arrived in one read anyway.
    """
    kept: list[UpstreamEvent] = []
    texts: list[str] = []  # of the run that the last event kept begins
    growing: str | None = None
    for event in events:
        if type(event) is not TextAppended:
            growing = None
        elif event.message_id == growing:
            texts.append(event.text)
            continue
        else:
            growing = event.message_id
        if texts:
            _close(kept, texts)
        kept.append(event)
    if texts:
        _close(kept, texts)
    return kept


def _close(kept: list[UpstreamEvent], texts: list[str]) -> None:
    """Put the texts of a run into its first event, which is the last one kept."""
    last = kept[-1]
    if isinstance(last, TextAppended):
        kept[-1] = TextAppended(last.message_id, join_surrogates(last.text + "".join(texts)))
    texts.clear()


def _counts(frame: Frame) -> bool:
    data = frame.data
    if not data or data == _DONE or frame.stray or frame.name == "ping":
        return False
    return not data[:4].isdigit()  # a ping, too


class Answer:
    """The stages translate and markers joined."""

    def __init__(self, sent: SentHistory, conversation_id: str | None = None) -> None:
        self._translate = Translate(sent, conversation_id)
        self._markers = Markers()

    @property
    def patience_seconds(self) -> float | None:
        """How many seconds of silence count as the end of the turn; None: silence ends nothing."""
        return self._translate.patience_seconds

    @property
    def growing(self) -> Growing | None:
        """The message that further text would only lengthen; None when anything else may happen."""
        message_id = self._translate.growing
        if message_id is None or not self._markers.is_idle:
            return None
        return Growing(message_id, self._translate.text_of(message_id), self._markers.held)

    def note(self, kind: str) -> None:
        """Count an unexpected kind found outside of the stages."""
        self._translate.note(kind)

    def feed(self, event: UpstreamEvent) -> list[Delta]:
        """Return the deltas of one event."""
        return self._marked(self._translate.feed(event))

    def parts(self, event: UpstreamEvent) -> Iterable[list[Delta]]:
        """Return the same deltas; others may have their turn between the lists of a long text."""
        told = self._translate.feed(event)
        for delta in told:
            if type(delta) is AnswerText and _takes_long(delta.text):
                return self._slices(told)
        return (self._marked(told),)

    def _marked(self, told: Sequence[Told]) -> list[Delta]:
        deltas: list[Delta] = []
        for delta in told:
            deltas += self._markers.feed(delta)
        return deltas

    def _slices(self, told: Sequence[Told]) -> Iterator[list[Delta]]:
        deltas: list[Delta] = []
        for delta in told:
            if type(delta) is not AnswerText or not _takes_long(delta.text):
                deltas += self._markers.feed(delta)
                continue
            for at in range(0, len(delta.text), SLICE_CHARS):
                deltas += self._markers.feed(AnswerText(delta.text[at : at + SLICE_CHARS]))
                yield deltas
                deltas = []
        yield deltas


def _takes_long(text: str) -> bool:
    """Tell whether a text is long and may hold markers, so that reading it takes long."""
    return len(text) > SLICE_CHARS and plain_chars(text) < 0


def make_reader(secrets: Collection[str] = (), *, is_paced: bool = False) -> Reader:
    """Return the stages from chunks to events, for one turn.

    Args:
        secrets: tokens that errors may not quote even if the upstream repeats them.
        is_paced: whether the caller gets text in the pieces in which the upstream sent it.
    """
    return Reader(secrets, is_paced=is_paced)


def make_answer(sent: SentHistory, conversation_id: str | None = None) -> Answer:
    """Return the stages from events to deltas, for one turn, which may continue a conversation."""
    return Answer(sent, conversation_id)


def make_renderer(bot_format: BotFormat) -> Render:
    """Return the stage from deltas to rendered pieces, for one answer."""
    return Render(bot_format)
