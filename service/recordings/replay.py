"""Runs a captured stream through the stages and records what each of them produces."""

from collections import Counter
from collections.abc import Iterable

from msgspec import Struct

from service.pipeline.joined import make_answer, make_reader, make_renderer
from service.recordings.captures import blocks, body_of
from service.stages.decode.sse import DecodeSse
from service.stages.render.bot_format import WEB
from service.vocabulary.events import (
    AnswerWanted,
    AssetReady,
    AssetWanted,
    BodyEnd,
    BodyEnded,
    Delta,
    DoneReceived,
    Frame,
    PictureWanted,
    ReasoningText,
    ResumeWanted,
    SentHistory,
    TurnEnded,
    TurnFacts,
    Unknown,
    UpstreamEvent,
)
from service.vocabulary.rendered import ContentCited, ContentText, Rendered

_NOT_HERE = (BodyEnd.UNRESUMED, BodyEnd.WAITED) * 3  # another body, and each of two waits
_ELSEWHERE: dict[type[Delta], str] = {
    ResumeWanted: "another body",
    PictureWanted: "a picture in the stored conversation",
    AnswerWanted: "the stored conversation",
}
_LINK = "https://replay.invalid"  # nothing is fetched


class ReplayedEvent(Struct, frozen=True):
    """One event of the body, or its end, and everything that it produced."""

    frames: list[Frame]
    events: list[UpstreamEvent]
    deltas: list[Delta]
    rendered: list[Rendered]


class Replay(Struct, frozen=True):
    """A replayed stream; `kinds` counts the records of each border, by name.

    `elsewhere` says where the turn continued after the end of the capture; empty if it did not.
    """

    steps: list[ReplayedEvent]
    kinds: dict[str, dict[str, int]]
    content: str
    reasoning: str
    facts: TurnFacts
    ended: TurnEnded
    elsewhere: str


def replay(capture: bytes) -> Replay:
    """Run a capture through the stages; nothing is sent or fetched."""
    line = _Stages()
    steps = [line.feed(block) for block in blocks(body_of(capture))]
    steps += line.finish()
    pieces = [piece for step in steps for piece in step.rendered]
    ends = [piece for piece in pieces if isinstance(piece, TurnEnded)]
    facts = [piece for piece in pieces if isinstance(piece, TurnFacts)]
    return Replay(
        steps=steps,
        kinds={
            "events": _kinds(each for step in steps for each in step.events),
            "deltas": _kinds(each for step in steps for each in step.deltas),
            "rendered": _kinds(pieces),
        },
        content="".join(p.text for p in pieces if isinstance(p, ContentText | ContentCited)),
        reasoning="".join(p.text for p in pieces if isinstance(p, ReasoningText)),
        facts=facts[-1] if facts else TurnFacts(),
        ended=ends[0],
        elsewhere=line.elsewhere,
    )


class _Stages:
    """The stages in a row, with a look at each border."""

    def __init__(self) -> None:
        self._sse = DecodeSse()
        self._reader = make_reader()
        self._answer = make_answer(SentHistory())
        self._render = make_renderer(WEB)
        self._links = 0
        self.elsewhere = ""

    def feed(self, block: bytes) -> ReplayedEvent:
        return self._step(self._sse.feed(block), self._reader.feed(block))

    def finish(self) -> list[ReplayedEvent]:
        ended = BodyEnded(BodyEnd.CLEAN)
        events = self._reader.end(ended)
        if self.elsewhere and events == [ended]:
            events = []  # `[DONE]` has ended this body before
        last = self._step(self._sse.finish(), events)
        # What the turn would still wait for, its continuation or a picture, does not come.
        elsewhere = self.elsewhere
        late = self._step([], [BodyEnded(how) for how in _NOT_HERE])
        self.elsewhere = elsewhere
        return [last, late] if late.deltas else [last]

    def _step(self, frames: list[Frame], events: list[UpstreamEvent]) -> ReplayedEvent:
        deltas = [delta for event in events for delta in self._answer.feed(event)]
        self._note(events, deltas)
        rendered = [piece for delta in deltas for piece in self._render.feed(self._had(delta))]
        return ReplayedEvent(frames, events, deltas, rendered)

    def _note(self, events: list[UpstreamEvent], deltas: list[Delta]) -> None:
        """Note where the turn continues, until something arrives from there."""
        if any(not isinstance(event, BodyEnded | DoneReceived | Unknown) for event in events):
            self.elsewhere = ""
        for delta in deltas:
            self.elsewhere = _ELSEWHERE.get(type(delta), self.elsewhere)

    def _had(self, delta: Delta) -> Delta:
        """Return the delta with a link in place of an asset to fetch."""
        if not isinstance(delta, AssetWanted):
            return delta
        self._links += 1
        return AssetReady(delta, f"{_LINK}/{delta.kind}/{self._links}", str(self._links))


def _kinds(records: Iterable[object]) -> dict[str, int]:
    return dict(Counter(type(record).__name__ for record in records))
