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
_PARTS = re.compile(rb'"parts": ?\["')
_PARTS_END = b'"]'
# A text that contains `"]` is rare; one with many of them is no ordinary answer.
_MAX_TRIES = 8


class Deltas:
    """Reads the events `{"v": "…"}` of a v1 stream while a text is being appended to.

    Args:
        opening: the bytes before the text, the same in all of them.
    """

    __slots__ = ("_opening", "_separator")

    def __init__(self, opening: bytes) -> None:
        self._opening = opening
        self._separator = _CLOSING + opening

    def read(self, chunk: bytes) -> Run | None:
        """Return the run at the start of a chunk, None if it starts with another event.

        The chunk must begin between two events. The texts are decoded as one JSON array: anything
        but a string would break it or change its length, and no JSON string contains a raw line
        feed.
        """
        opening = self._opening
        if not chunk.startswith(opening):
            return None
        if chunk.find(b"\n", len(opening)) == len(chunk) - 2 and chunk.endswith(_CLOSING):
            return self._alone(chunk)
        literals = chunk[len(opening) :].split(self._separator)
        last, closing, rest = literals.pop().partition(_CLOSING)
        if closing:
            literals.append(last)
            size = len(chunk) - len(rest)
        else:
            size = len(chunk) - len(opening) - len(last)
        try:
            texts = orjson.loads(b'["%b"]' % b'","'.join(literals)) if literals else []
        except orjson.JSONDecodeError:
            return None
        if not texts or len(texts) != len(literals):
            return None
        return Run("".join(texts), len(texts), size)

    def _alone(self, chunk: bytes) -> Run | None:
        """Return the run of a chunk that is one event, as most are that come at a human's pace."""
        try:
            text: str = orjson.loads(chunk[len(self._opening) - 1 : 1 - len(_CLOSING)])
        except orjson.JSONDecodeError:
            return None
        return Run(text, 1, len(chunk))

    def may_begin(self, rest: bytes) -> bool:
        """Tell whether these bytes may be the beginning of another event of this kind."""
        return b"\n\n" not in rest and (
            rest.startswith(self._opening) or self._opening.startswith(rest)
        )


class Snapshots:
    """Reads the events of a v0 message, which are all alike except for the growing text."""

    __slots__ = ("_after", "_before", "_begun", "_known")

    def __init__(self, before: bytes, known: bytes, after: bytes) -> None:
        self._before = before
        self._begun = b"\n\n" + before  # the end of an event, and another one
        self._known = before + known
        self._after = after

    def read(self, chunk: bytes) -> Run | None:
        """Return the run at the start of a chunk, None if it starts with another event.

        The chunk must begin between two events. Only the last complete event of the run is decoded,
        since it repeats the text of those before it; if it is written otherwise, as the one that
        finishes a message is, the one before it.
        """
        before, size = self._before, len(self._known)
        begun, at, last, former, count = self._begun, 0, 0, 0, 0
        # An event with at least the known text ends after it. For a shorter one the search skips
        # its end, but then raw line feeds stand where the text should be, which is invalid JSON.
        # One line feed is searched for much faster than two, and JSON has none of its own.
        is_alike = chunk.startswith(before)
        while is_alike and (end := chunk.find(b"\n", at + size)) >= 0:
            is_alike = chunk.startswith(begun, end)
            if not is_alike and not chunk.startswith(b"\n\n", end):
                break
            at, last, former, count = end + 2, at, last, count + 1
        run = self._run(chunk, last, at, count) if count else None
        if run is None and count > 1:
            return self._run(chunk, former, last, count - 1)
        return run

    def _run(self, chunk: bytes, last: int, at: int, count: int) -> Run | None:
        """Return the run of so many events whose last one is at this place; None if it is another."""
        known, after = self._known, self._after
        begin, end = last + len(known), at - len(after)
        if begin > end or not (chunk.startswith(known, last) and chunk.endswith(after, last, at)):
            return None
        try:
            text: str = orjson.loads(b'"' + chunk[begin:end] + b'"')
        except orjson.JSONDecodeError:
            return None
        self._known = chunk[last:end]
        return Run(text, count, at, chunk[last:at])

    def may_begin(self, rest: bytes) -> bool:
        """Tell whether these bytes may be the beginning of another event of this kind."""
        return b"\n\n" not in rest and (
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
