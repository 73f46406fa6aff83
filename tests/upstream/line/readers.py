"""What reads a body in tests, in place of the line."""

import asyncio

from service.vocabulary.events import BodyEnded
from upstream.line.answer_body import AnswerBody


class Reading:
    """Keeps a body; every read that is no comment counts as an event."""

    def __init__(self, patience: float | None = None) -> None:
        self.pieces: list[bytes] = []
        self.ended: BodyEnded | None = None
        self.is_clean: bool | None = None
        self.is_over = asyncio.Event()
        self.has_some = asyncio.Event()
        self.is_repetitive = False
        self._patience = patience
        self._events = 0

    @property
    def data(self) -> bytes:
        return b"".join(self.pieces)

    def on_bytes(self, data: bytes) -> None:
        self.pieces.append(data)
        self._events += 0 if data.startswith(b":") else 1
        self.has_some.set()

    def progress(self) -> int:
        return self._events

    def patience(self) -> float | None:
        return self._patience

    def repeats(self) -> bool:
        return self.is_repetitive


class BodyReading(Reading):
    """Reads an `AnswerBody`."""

    def on_end(self, ended: BodyEnded) -> None:
        assert not self.is_over.is_set()
        self.ended = ended
        self.is_over.set()


class TapReading(Reading):
    """Receives from a `Tap`."""

    def on_end(self, *, is_clean: bool) -> None:
        assert not self.is_over.is_set()
        self.is_clean = is_clean
        self.is_over.set()


async def read_body(body: AnswerBody, patience: float | None = None) -> BodyReading:
    """Read a body to its end, and close it."""
    reading = BodyReading(patience)
    body.start(reading)
    await asyncio.wait_for(reading.is_over.wait(), 10)
    body.close()
    return reading
