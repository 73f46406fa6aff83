"""A turn read with the fast lane, as `upstream/website/turn/receiving.py` reads it.

driven(chunks, ...) -> Reading     what the caller got; what was kept has to agree
"""

from collections.abc import Callable, Sequence
from typing import Any

from service.pipeline.fast_lane import FastLane
from service.pipeline.joined import Answer, make_answer, make_reader, make_renderer
from service.stages.decode.changes import Growing
from service.stages.encode.gathered import Gathered
from service.vocabulary.events import BodyEnd, BodyEnded, Delta, SentHistory, UpstreamEvent
from service.vocabulary.rendered import ContentText, Rendered
from tests.feeding import FORMATS, NOTHING_LATER, AnswerAssets, Reading, reading_of


class Differing:
    """The stages of an answer; `tell`, if there is one, says something else for an event."""

    def __init__(self, answer: Answer) -> None:
        self.tell: Callable[[UpstreamEvent], list[Delta]] | None = None
        self._answer = answer

    @property
    def growing(self) -> Growing | None:
        return self._answer.growing

    def feed(self, event: UpstreamEvent) -> list[Delta]:
        return (self.tell or self._answer.feed)(event)

    def note(self, kind: str) -> None:
        self._answer.note(kind)


class Drive:
    """A turn read with a lane, as `upstream/website/turn/receiving.py` does it.

    `heard` is what the caller got, in order; `gathered` is what is kept of it.
    """

    def __init__(
        self,
        sent: SentHistory | None = None,
        profile: str = "web",
        problems: dict[str, str] | None = None,
    ) -> None:
        self.heard: list[Rendered] = []
        self.gathered = Gathered()
        self.put_texts: list[str] = []
        self.is_open = True
        self.reader = make_reader()
        self.answer = Differing(make_answer(sent or SentHistory()))
        self.assets = AnswerAssets(problems or {})
        self.render = make_renderer(FORMATS[profile])
        self.lane = FastLane(self.render, self)
        self.lane.begin(self.reader, self.answer)

    # The outlet.

    def put(self, text: str) -> bool:
        assert text
        assert self.is_open
        self.put_texts.append(text)
        self.heard.append(ContentText(text))
        return True

    def gather(self, pieces: list[Rendered]) -> None:
        self.gathered.feed_batch(pieces)

    # The path of the bytes.

    def feed(self, chunk: bytes) -> bool:
        """Tell whether the lane took all of the chunk."""
        left = self.lane.take(chunk)
        self._stages(left)
        return not left

    def end(self, how: BodyEnd = BodyEnd.CLEAN) -> Reading:
        self._stages(self.lane.end())
        for event in (*self.reader.end(BodyEnded(how, "How the body ended.")), *NOTHING_LATER):
            self._deliver(self.answer.feed(event))
        return reading_of(self.heard, self.assets.wanted)

    def _stages(self, chunk: bytes) -> None:
        self._deliver(self.lane.take_left())
        if chunk:
            for event in self.reader.feed(chunk):
                self._deliver(self.answer.feed(event))

    def _deliver(self, batch: Sequence[Delta]) -> None:
        pieces = [piece for delta in batch for piece in self.render.feed(self.assets.feed(delta))]
        self.heard += pieces
        self.gathered.feed_batch(pieces)


def driven(chunks: list[bytes], end: BodyEnd = BodyEnd.CLEAN, **turn_of: Any) -> Reading:
    """Read a turn with a lane, and check that the caller got what was kept."""
    drive = Drive(**turn_of)
    for chunk in chunks:
        drive.feed(chunk)
    reading = drive.end(end)
    assert drive.gathered.content == reading.content
    assert drive.gathered.reasoning == reading.reasoning
    assert len(drive.gathered.annotations) == len(reading.annotations)
    return reading
