"""Frames -> frames: leave out v0 events that the very next one supersedes (spec 7.1).

A v0 event holds its whole message, so of a run of events of one message within
one read only the last says anything new. This is about speed alone: without it
a long answer costs time in the square of its length.
"""

import re

from service.vocabulary.events import Frame

# Recognised by its bytes, since decoding is what is to be saved. An upstream that
# writes its keys in another order is understood all the same, only slower.
_MESSAGE_ID = re.compile(rb'\{\s*"message"\s*:\s*\{\s*"id"\s*:\s*"([^"\\]{1,128})"')
# The stages wait for references by counting text that queues behind a marker, so
# events with markers keep their steps: an answer may not depend on the cuts.
_OPEN, _BRACKET = b"\xee\x88\x80", b"\xe3\x80\x90"
_ESCAPED = re.compile(rb"\\u(?:[eE]200|3010)")


class SkipSuperseded:
    """Thin out the frames of each read; one instance per body."""

    def __init__(self) -> None:
        self._last_id: bytes | None = None

    def feed_batch(self, frames: list[Frame]) -> list[Frame]:
        """Return the frames of one read that are to be parsed, in order.

        The first event of a message is always kept: that it was not finished
        from the start tells an answer from an echo.
        """
        kept: list[Frame] = []
        is_last_known = False  # its message had an event before
        for frame in frames:
            message_id = message_id_of(frame)
            is_same = message_id is not None and message_id == self._last_id
            if is_same and is_last_known and not _has_marker(kept[-1].data):
                kept.pop()
            kept.append(frame)
            is_last_known = is_same
            self._last_id = message_id
        return kept

    def forget(self) -> None:
        """Take it that something else than a message came."""
        self._last_id = None


def message_id_of(frame: Frame) -> bytes | None:
    """Return the id of the message that a v0 event repeats, None if it is none, or hard to tell."""
    if frame.name not in ("", "message"):
        return None
    found = _MESSAGE_ID.match(frame.data)
    return found[1] if found else None


def _has_marker(data: bytes) -> bool:
    """Return whether a citation may begin in these bytes; one byte is found faster than three."""
    return (
        (b"\xee" in data and _OPEN in data)
        or (b"\xe3" in data and _BRACKET in data)
        or (b"\\" in data and _ESCAPED.search(data) is not None)
    )
