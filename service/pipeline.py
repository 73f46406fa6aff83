"""The line that joins the stages, and the one generic async generator that lifts them.

    chunk -> [sse, supersede, parse] -> UpstreamEvent
          -> [translate, markers]    -> Delta -> assets (async, in upstream/)
          -> [bot format, limit]     -> Rendered -> encode

What passes between lifted stages is a batch: all that one read of the upstream
produced, so that one read becomes one write to the caller.
"""

from collections.abc import AsyncGenerator, Collection, Iterable, Iterator
from contextlib import aclosing
from typing import Protocol, TypeVar

from service.events import (
    BodyEnd,
    BodyEnded,
    Delta,
    Frame,
    SentHistory,
    TextAppended,
    UpstreamEvent,
)
from service.stages.bot_format import BotFormat, Render
from service.stages.markers import Markers
from service.stages.parse import Parse
from service.stages.sse import MAX_EVENT_BYTES, DecodeSse
from service.stages.supersede import SkipSuperseded
from service.stages.text import join_surrogates
from service.stages.translate import Translate

In_contra = TypeVar("In_contra", contravariant=True)
Out_co = TypeVar("Out_co", covariant=True)


class Stage(Protocol[In_contra, Out_co]):
    """A pure step: one item in, zero or more out, never waits."""

    def feed(self, item: In_contra, /) -> Iterable[Out_co]:
        """Return what this item produces."""


class Reader:
    """Turn one body into events; `follow` continues the turn with another body.

    `consumed` counts events as the `offset` of a resume does (protocol 4.6):
    all but pings, empty data and `[DONE]`.
    """

    def __init__(self, secrets: Collection[str] = ()) -> None:
        self.consumed = 0
        self._sse = DecodeSse()
        self._skip = SkipSuperseded()
        self._parse = Parse(secrets)

    def feed(self, chunk: bytes) -> list[UpstreamEvent]:
        """Return the events that this chunk completes."""
        events = self._events(self._sse.feed(chunk))
        if self._sse.is_overflowing:
            size = MAX_EVENT_BYTES // 1024 // 1024
            detail = f"The upstream sent one event of more than {size} MiB."
            events.append(BodyEnded(BodyEnd.BROKEN, detail))
        return events

    def end(self, body: BodyEnded) -> list[UpstreamEvent]:
        """Return what the end of the body completes, and the end itself."""
        return [*self._events(self._sse.finish()), body]

    def follow(self) -> None:
        """Expect the first byte of another body that goes on with the same deltas."""
        self._sse = DecodeSse()
        self._skip = SkipSuperseded()

    def _events(self, frames: list[Frame]) -> list[UpstreamEvent]:
        self.consumed += sum(1 for frame in frames if _counts(frame))
        if len(frames) == 1:
            return list(self._parse.feed(frames[0]))
        kept = self._skip.feed_batch(frames)
        events = merged(event for frame in kept for event in self._parse.feed(frame))
        if events and isinstance(events[-1], TextAppended):
            self._parse.share(events[-1].text)
        return events


def merged(events: Iterable[UpstreamEvent]) -> list[UpstreamEvent]:
    """Return the events of one read, neighbouring increments of a message as one.

    The caller gets larger pieces only where it was behind anyway.
    """
    kept: list[UpstreamEvent] = []
    texts: list[str] = []  # of the run that the last event kept begins
    growing: str | None = None
    for event in events:
        message_id = event.message_id if isinstance(event, TextAppended) else None
        if message_id is None or message_id != growing:
            _close(kept, texts)
            kept.append(event)
            growing = message_id
        if isinstance(event, TextAppended):
            texts.append(event.text)
    _close(kept, texts)
    return kept


def _close(kept: list[UpstreamEvent], texts: list[str]) -> None:
    """Put all texts of a run into its first event, which is the last one kept."""
    last = kept[-1] if len(texts) > 1 else None
    if isinstance(last, TextAppended):
        kept[-1] = TextAppended(last.message_id, join_surrogates("".join(texts)))
    texts.clear()


def _counts(frame: Frame) -> bool:
    is_ping = frame.name == "ping" or frame.data[:4].isdigit()
    return not is_ping and not frame.stray and frame.data not in (b"", b"[DONE]")


class Answer:
    """Translate and markers as one stage."""

    def __init__(self, sent: SentHistory) -> None:
        self._translate = Translate(sent)
        self._markers = Markers()

    @property
    def patience_seconds(self) -> float | None:
        """How long silence may still last before it counts as the end of the turn, if so."""
        return self._translate.ending.patience_seconds

    def feed(self, event: UpstreamEvent) -> Iterator[Delta]:
        """Yield the deltas of one event."""
        for delta in self._translate.feed(event):
            yield from self._markers.feed(delta)


def make_reader(secrets: Collection[str] = ()) -> Reader:
    """Return the stages from chunks to events, for one turn.

    Args:
        secrets: tokens that errors may not quote even if the upstream repeats them.
    """
    return Reader(secrets)


def make_answer(sent: SentHistory) -> Answer:
    """Return the stages from events to deltas, for one turn."""
    return Answer(sent)


def make_renderer(bot_format: BotFormat) -> Render:
    """Return the stage from deltas to rendered pieces, for one answer."""
    return Render(bot_format)


Item = TypeVar("Item")
Product = TypeVar("Product")


async def through(
    source: AsyncGenerator[list[Item], None], stage: Stage[Item, Product]
) -> AsyncGenerator[list[Product], None]:
    """Lift a stage over batches; batches that became empty are not passed on."""
    async with aclosing(source):
        async for batch in source:
            if produced := [piece for item in batch for piece in stage.feed(item)]:
                yield produced
