"""The short way of an answer's text: rendered and written in the moment in which it arrives.

While a turn waits for its upstream, everything before has been written, so the next text can
pass by the generators in between and cost no task a wake-up. All else goes the long way, and so
does text whenever the short way is closed: before the head, and while the caller does not read.
"""

from typing import Protocol

from service.events import Delta
from service.rendered import Rendered
from service.stages.bot_format import Render
from service.stages.encode import Gathered


class Sink(Protocol):
    """The end of an answer's way in this process."""

    def is_ready(self) -> bool:
        """Return whether `put` can be called now."""

    def put(self, batch: list[Rendered], /) -> None:
        """Take a batch of text; neither waits nor raises."""


class Shortcut:
    """Implements the port `Outlet` for one answer; closed until both of its ends are known."""

    def __init__(self) -> None:
        self._render: Render | None = None
        self._sink: Sink | None = None

    def begin(self, render: Render) -> None:
        """Render text by this stage, which is that of the long way, too."""
        self._render = render

    def join(self, sink: Sink) -> None:
        """Let text go to this sink from now on."""
        self._sink = sink

    def take(self, batch: list[Delta]) -> bool:
        """Take a batch that is text alone, or return False when it has to go the long way."""
        if self._render is None or self._sink is None or not self._sink.is_ready():
            return False
        if pieces := [piece for delta in batch for piece in self._render.feed(delta)]:
            self._sink.put(pieces)
        return True


class Gathering:
    """The sink of an answer that is collected before any of it is sent."""

    def __init__(self, gathered: Gathered) -> None:
        self._gathered = gathered

    def is_ready(self) -> bool:
        """Return True: there is nothing to wait for."""
        return True

    def put(self, batch: list[Rendered]) -> None:
        """Add a batch of text."""
        self._gathered.feed_batch(batch)
