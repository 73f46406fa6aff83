"""bytes -> text: events that only add text to an answer, which nearly all of a stream are.

Recognised by their bytes and read many at once; `sse` and `parse` are the definition, this is
about speed alone. What is not written exactly like the events before it is left to them.
"""

import re

import orjson
from msgspec import Struct

_OPENING = re.compile(rb'(?:event: delta\n)?data: ?\{"v": ?"')
_TEXT_ONLY = b'data: {"v":'
_CLOSING = b'"}\n\n'
_PARTS = re.compile(rb'"parts": ?\["')
_PARTS_END = b'"]'
# A text with `"]` in it is rare, one with many of them is no ordinary answer.
_MAX_TRIES = 8


class Run(Struct, frozen=True, gc=False):
    """What a chunk begins with: `count` whole events, `size` bytes of it, that add `text`.

    `event` is the last of them where each one repeats all of the answer, else empty.
    """

    text: str
    count: int
    size: int
    event: bytes = b""


class Deltas:
    """Reads the events `{"v": "…"}` of a v1 stream in which a text is being appended to.

    Args:
        opening: what stands before the text, the same in all of them.
    """

    __slots__ = ("_opening", "_separator")

    def __init__(self, opening: bytes) -> None:
        self._opening = opening
        self._separator = _CLOSING + opening

    def read(self, chunk: bytes) -> Run | None:
        """Return the run that a chunk begins with, None if it begins with something else.

        The chunk begins between two events. The texts are decoded as one JSON array: what is no
        string would break it or change its length, and no string of JSON has a raw line feed.
        """
        opening = self._opening
        if not chunk.startswith(opening):
            return None
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

    def may_begin(self, rest: bytes) -> bool:
        """Return whether these bytes may be the beginning of another event of this kind."""
        return b"\n\n" not in rest and (
            rest.startswith(self._opening) or self._opening.startswith(rest)
        )


class Snapshots:
    """Reads the events of a v0 message that is written as before but for the text that grows.

    Args:
        before: the event up to its text.
        known: the JSON of the text so far.
        after: the event after its text.
    """

    __slots__ = ("_after", "_before", "_known")

    def __init__(self, before: bytes, known: bytes, after: bytes) -> None:
        self._before = before
        self._known = before + known
        self._after = after

    def read(self, chunk: bytes) -> Run | None:
        """Return the run that a chunk begins with, None if it begins with something else.

        The chunk begins between two events. Only the last whole event of the run is looked into,
        since it says again what those before it did.
        """
        before, at, last, count = self._before, 0, 0, 0
        known, after = self._known, self._after
        # What says at least as much ends behind what is known. Of one that does not, this passes
        # the end; but then line feeds stand in what would be the text, and that is no JSON.
        size = len(known)
        while chunk.startswith(before, at) and (end := chunk.find(b"\n\n", at + size)) >= 0:
            at, last, count = end + 2, at, count + 1
        if not count:
            return None
        begin, end = last + len(known), at - len(after)
        if begin > end or not (chunk.startswith(known, last) and chunk.endswith(after, last, at)):
            return None
        try:
            text: str = orjson.loads(b'"%b"' % chunk[begin:end])
        except orjson.JSONDecodeError:
            return None
        self._known = chunk[last:end]
        return Run(text, count, at, chunk[last:at])

    def may_begin(self, rest: bytes) -> bool:
        """Return whether these bytes may be the beginning of another event of this kind."""
        return b"\n\n" not in rest and (
            rest.startswith(self._before) or self._before.startswith(rest)
        )


def deltas_like(chunk: bytes) -> Deltas | None:
    """Return what reads the increments of a stream, of which a chunk begins with one."""
    found = _OPENING.match(chunk)
    return None if found is None else Deltas(found[0])


def first_delta(chunk: bytes) -> int:
    """Return where an increment may begin in a chunk that begins between two events, -1: nowhere."""
    at = chunk.find(_TEXT_ONLY)
    if at < 0:
        return -1
    start = chunk.rfind(b"\n\n", 0, at) + 2
    at = start if start > 1 else 0
    return at if _OPENING.match(chunk, at) else -1


def snapshots_like(data: bytes, text: str) -> Snapshots | None:
    """Return what reads the events of a message, of which the last one had this data and text."""
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
            pass  # that bracket stands in the text
        end += 1
    return None
