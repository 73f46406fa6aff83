"""bytes -> text: recognises events that only add text, which are nearly all of a stream.

Theory of operation
-------------------

`sse` and `parse` define what an event means. This module gives the same result faster, for runs of
events that differ only in their text. A v1 stream repeats an opening:

    data: {"v": " sat on"}

    data: {"v": " the mat"}

`Deltas` splits the chunk at `"}`, blank line and opening, and decodes all the texts as one JSON
array. A v0 stream repeats the whole message with a longer text:

    data: {"message": {…, "content": {"parts": ["The cat sat"]}, …}}

`Snapshots` compares the bytes before and after the text with those of the last event, and decodes
only the new end of the text. An event that is written in any other way ends the run, and is left to
`sse` and `parse`.
"""

import re

import orjson

from service.stages.decode.changes import Run

_OPENING = re.compile(rb'(?:event: delta\n)?data: ?\{"v": ?"')
_TEXT_ONLY = b'data: {"v":'
_CLOSING = b'"}\n\n'
_LF, _EVENT_END = 10, b"\n\n"
_PARTS = re.compile(rb'"parts": ?\["')
_PARTS_END = b'"]'
# A text that contains `"]` is rare; one with many of them is no ordinary answer.
_MAX_TRIES = 8


class Deltas:
    """Reads the events `{"v": "…"}` of a v1 stream while a text is being appended to.

    Args:
        opening: the bytes before the text, the same in all of them.
    """

    __slots__ = ("_opening", "_separator", "_size")

    def __init__(self, opening: bytes) -> None:
        self._opening = opening
        self._size = len(opening)
        self._separator = _CLOSING + opening

    def read(self, chunk: bytes, tail: bytes = b"") -> Run | None:
        """Return the run at the start of a chunk, None if it starts with another event.

        The chunk must begin between two events, or be the rest of the one that the `tail` begins.
        The texts are decoded as one JSON array: anything but a string would break it or change its
        length, and no JSON string contains a raw line feed.
        """
        chunk = tail + chunk
        size = self._size
        if chunk[:size] != self._opening:
            return None
        # In this order, since the slice may not end before it begins: see `supply/compiled.py`.
        if chunk[-4:] == _CLOSING and _LF not in chunk[size:-2]:
            return self._alone(chunk)
        literals = chunk[size:].split(self._separator)
        last, closing, rest = literals[-1].partition(_CLOSING)
        if closing:
            literals[-1] = last
            end = len(chunk) - len(rest)
        else:
            del literals[-1]
            end = len(chunk) - size - len(last)
        try:
            texts = orjson.loads(b'["' + b'","'.join(literals) + b'"]')
        except orjson.JSONDecodeError:
            return None
        if not literals or len(texts) != len(literals):
            return None
        return Run("".join(texts), len(texts), end)

    def _alone(self, chunk: bytes) -> Run | None:
        """Return the run of a chunk that is one event, as most are that come at a human's pace."""
        try:
            text: str = orjson.loads(chunk[self._size - 1 : -3])  # with its quotes
        except orjson.JSONDecodeError:
            return None
        return Run(text, 1, len(chunk))

    def may_begin(self, rest: bytes) -> bool:
        """Tell whether these bytes may be the beginning of another event of this kind."""
        return rest.find(_EVENT_END) < 0 and (
            rest.startswith(self._opening) or self._opening.startswith(rest)
        )


class Snapshots:
    """Reads the events of a v0 message, which are all alike except for the growing text."""

    __slots__ = ("_after", "_before", "_begun", "_known")

    def __init__(self, before: bytes, known: bytes, after: bytes) -> None:
        self._before = before
        self._begun = _EVENT_END + before  # the end of an event, and another one
        self._known = before + known
        self._after = after

    def read(self, chunk: bytes, tail: bytes = b"") -> Run | None:
        """Return the run at the start of a chunk, None if it starts with another event.

        The chunk must begin between two events, or be the rest of the one that the `tail` begins.
        Only the last complete event of the run is decoded, since it repeats the text of those before
        it; if it is written otherwise, as the one that finishes a message is, the one before it.
        """
        run = self._read_behind(tail, chunk) if tail else None
        return self._read(tail + chunk, 0) if run is None else run

    def _read_behind(self, tail: bytes, chunk: bytes) -> Run | None:
        """Return the run without joining tail and chunk, as the chunk's events repeat the cut one.

        None: they do not, or the two together have to be looked at.
        """
        end = chunk.find(_LF) + 2
        is_cut = end > 1 and chunk[end - 2 : end] == _EVENT_END and _LF not in tail
        if not is_cut or not (tail + chunk[:end]).startswith(self._before):
            return None
        run = self._read(chunk, end)
        return run and Run(run.text, run.count + 1, len(tail) + run.size, run.event)

    def _read(self, chunk: bytes, start: int) -> Run | None:
        """Return the run that starts at a place of the chunk; its size counts from the chunk's start."""
        begun, width, size = self._begun, len(self._begun), len(self._known)
        # An event with at least the known text ends after it. For a shorter one the search skips
        # its end, but then raw line feeds stand where the text should be, which is invalid JSON.
        # One line feed is searched for much faster than two, and JSON has none of its own.
        find, step = chunk.find, size + 2
        feed = find(_LF, start + size)
        if feed == len(chunk) - 2:  # a single event, as at a human's pace
            return self._run(chunk, start, len(chunk), 1)
        if not chunk.startswith(self._before, start):
            return None
        feeds = [start - 2]  # the ends of the events, and of what is before the first one
        while feed >= 0 and chunk[feed : feed + width] == begun:
            feeds.append(feed)
            feed = find(_LF, feed + step)
        if feed >= 0 and chunk[feed : feed + 2] == _EVENT_END:
            feeds.append(feed)
        for count in (len(feeds) - 1, len(feeds) - 2):
            if count > 0:
                run = self._run(chunk, feeds[count - 1] + 2, feeds[count] + 2, count)
                if run is not None:
                    return run
        return None

    def _run(self, chunk: bytes, last: int, at: int, count: int) -> Run | None:
        """Return the run of so many events whose last one is at this place; None if it is another."""
        known, after = self._known, self._after
        begin, end = last + len(known), at - len(after)
        if begin > end or chunk[end:at] != after or not chunk.startswith(known, last):
            return None
        try:
            text: str = orjson.loads(b'"' + chunk[begin:end] + b'"')
        except orjson.JSONDecodeError:
            return None
        self._known = chunk[last:end]
        return Run(text, count, at, chunk[last:at])

    def may_begin(self, rest: bytes) -> bool:
        """Tell whether these bytes may be the beginning of another event of this kind."""
        return rest.find(_EVENT_END) < 0 and (
            rest.startswith(self._before) or self._before.startswith(rest)
        )


def deltas_like(chunk: bytes) -> Deltas | None:
    """Return the recogniser for a stream's increments, given a chunk that begins with one."""
    found = _OPENING.match(chunk)
    return None if found is None else Deltas(found[0])


def first_delta(chunk: bytes) -> int:
    """Return the place of the first possible increment in a chunk, -1 if there is none."""
    at = chunk.find(_TEXT_ONLY)
    if at < 0:
        return -1
    start = chunk.rfind(b"\n\n", 0, at) + 2
    at = start if start > 1 else 0
    return at if _OPENING.match(chunk, at) else -1


def snapshots_like(data: bytes, text: str) -> Snapshots | None:
    """Return the recogniser for events like the last one, which had this data and text."""
    begun = _PARTS.search(data)
    if begun is None:
        return None
    begin = end = begun.end()
    for _ in range(_MAX_TRIES):
        if (end := data.find(_PARTS_END, end)) < 0:
            return None
        try:
            if orjson.loads(b'"%b"' % data[begin:end]) == text:
                return Snapshots(b"data: " + data[:begin], data[begin:end], data[end:] + b"\n\n")
        except orjson.JSONDecodeError:
            pass  # that bracket is part of the text
        end += 1
    return None
