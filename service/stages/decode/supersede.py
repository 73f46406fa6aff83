"""Frames -> frames: drops v0 events that the very next one supersedes (spec 7.1).

A v0 event contains its whole message, so of a run of events of one message within one read that
differ by a longer text alone, only the last says anything new. This only saves time: without it a
long answer takes time quadratic in its length.
"""

import re

import orjson

from service.vocabulary.events import Frame

# Recognised by its bytes, to avoid decoding. If an upstream writes its keys in another order, its
# events are still understood, only more slowly.
_MESSAGE_ID = re.compile(rb'\{\s*"message"\s*:\s*\{\s*"id"\s*:\s*"([^"\\]{1,128})"')
_TEXT = re.compile(rb'"parts"\s*:\s*\["')
_TEXT_END = b'"]'
_BACKSLASH = b"\\"[0]
# The stages wait for references by counting the text behind a marker. So events with markers are
# not dropped, else the answer would depend on where chunks are cut.
_OPEN, _BRACKET = b"\xee\x88\x80", b"\xe3\x80\x90"
_ESCAPED = re.compile(rb"\\u(?:[eE]200|3010)")


class SkipSuperseded:
    """Drops superseded frames of each read; one instance per body."""

    def __init__(self) -> None:
        self._last_id: bytes | None = None

    def feed_batch(self, frames: list[Frame]) -> list[Frame]:
        """Return the frames of one read that have to be parsed, in order.

        The first event of a message is always kept: an answer, unlike an echo, is unfinished at
        first.
        """
        kept: list[Frame] = []
        is_last_known = False  # its message had an earlier event
        tail = 0  # the bytes behind the last one's text; 0: not known, or there are markers
        for frame in frames:
            message_id = message_id_of(frame)
            if message_id is None or message_id != self._last_id:
                self._last_id = message_id
                is_last_known, tail = False, 0
                kept.append(frame)
                continue
            added = None
            if is_last_known:
                tail = tail or _tail_of(kept[-1].data)
                added = _added(kept[-1].data, frame.data, tail) if tail else None
            if added is not None:
                kept.pop()
            if added is None or _has_marker(added):
                tail = 0
            kept.append(frame)
            is_last_known = True
        return kept

    def forget(self) -> None:
        """Forget the last message, because another event came."""
        self._last_id = None


def message_id_of(frame: Frame) -> bytes | None:
    """Return the id of the message that a v0 event repeats, None if there is none or it is unclear."""
    if frame.name not in ("", "message"):
        return None
    found = _MESSAGE_ID.match(frame.data)
    return found[1] if found else None


def _tail_of(data: bytes) -> int:
    """Return the number of bytes behind the text of a v0 event; 0 if it is unclear or has markers."""
    begun = _TEXT.search(data)
    end = -1 if begun is None else data.find(_TEXT_END, begun.end())
    while end > 0 and data[end - 1] == _BACKSLASH:
        end = data.find(_TEXT_END, end + 1)
    return 0 if end < 0 or _has_marker(data) else len(data) - end


def _added(old: bytes, new: bytes, tail: int) -> bytes | None:
    """Return the text that an event adds to the one before it, as JSON; None if it does anything else.

    A role that changes, for example, hides the message, and with it what the older event said.
    """
    end = len(old) - tail
    if len(new) < len(old) or not (new.startswith(old[:end]) and new.endswith(old[end:])):
        return None
    added = new[end : len(new) - tail]
    try:
        orjson.loads(b'"%b"' % added)
    except orjson.JSONDecodeError:
        return None
    return added


def _has_marker(data: bytes) -> bool:
    """Tell whether a citation may begin in these bytes; searching one byte is faster than three."""
    return (
        (_OPEN[0] in data and _OPEN in data)
        or (_BRACKET[0] in data and _BRACKET in data)
        or (_BACKSLASH in data and _ESCAPED.search(data) is not None)
    )
