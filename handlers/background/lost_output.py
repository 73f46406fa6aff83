"""Ends a response in the background whose process has died, from the events that were kept of it."""

from collections.abc import Iterable

import msgspec
from msgspec import structs

from service.answers.response_events import (
    NumberedEvent,
    OutputItemAdded,
    OutputItemDone,
    OutputTextDelta,
    ResponseEvent,
    ResponseFailed,
)
from service.answers.responses import ModelResponse, OutputItem, OutputMessage, OutputText
from service.stages.encode.responses import failure_event, framed
from service.vocabulary.events import Failure

LOST = Failure(
    500,
    "The process that wrote this response has died; please send the request again.",
    "server_error",
    "process_died",
)
_EVENT_END = b"\n\n"
_decode = msgspec.json.Decoder(ResponseEvent).decode


class LostOutput:
    """The output of a response as far as its events tell; feed it all of them, in order."""

    def __init__(self) -> None:
        self.count = 0  # of the events
        self._items: dict[int, OutputItem] = {}
        self._open: set[int] = set()
        self._texts: dict[int, list[str]] = {}

    @property
    def items(self) -> list[OutputItem]:
        """The items; those that were not finished are incomplete."""
        return [self._as_left(index) for index in sorted(self._items)]

    def feed(self, frames: bytes) -> None:
        """Take whole events."""
        for frame in frames.split(_EVENT_END)[:-1]:
            self.count += 1
            match _decode(frame.partition(b"\ndata: ")[2]):
                case OutputItemAdded(output_index=index, item=item):
                    self._items[index] = item
                    self._open.add(index)
                case OutputItemDone(output_index=index, item=item):
                    self._items[index] = item
                    self._open.discard(index)
                case OutputTextDelta(output_index=index, delta=delta):
                    self._texts.setdefault(index, []).append(delta)
                case _:
                    pass

    def end(self, response: ModelResponse) -> bytes:
        """Return the last events: open items are closed, the response has failed."""
        closing = [
            OutputItemDone(output_index=index, item=self._as_left(index))
            for index in sorted(self._open)
        ]
        events = [*closing, ResponseFailed(response=response), failure_event(LOST)]
        return b"".join(_numbered(events, self.count))

    def _as_left(self, index: int) -> OutputItem:
        item = self._items[index]
        if index not in self._open:
            return item
        if isinstance(item, OutputMessage) and index in self._texts:
            item = structs.replace(item, content=[OutputText("".join(self._texts[index]))])
        return structs.replace(item, status="incomplete")


def _numbered(events: Iterable[NumberedEvent], first: int) -> Iterable[bytes]:
    return (framed(event, number) for number, event in enumerate(events, first))
