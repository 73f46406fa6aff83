r"""Decodes the chunked transfer coding (RFC 9112, 7.1). Pure.

5\r\nhello\r\n0\r\n\r\n      ->  hello
"""

import re
from enum import Enum, auto

MAX_LINE_BYTES = 4096  # of a chunk's size with its extensions, and of all trailers together
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n")
_LINE_END = b"\r\n"


class _Next(Enum):
    SIZE = auto()
    DATA = auto()
    DATA_END = auto()  # the line end after a chunk's data
    TRAILER = auto()


class _BrokenError(Exception):
    pass


class ChunkedBody:
    """One body; `rest` has the bytes behind its end.

    It is over when it `is_complete`, the last chunk and the trailers having been read, or when it
    `is_broken`, what came last being no chunk.
    """

    def __init__(self) -> None:
        self.rest = b""
        self.is_complete = False
        self.is_broken = False
        self._next = _Next.SIZE
        self._left = 0  # bytes of data that the current chunk still lacks
        self._held = b""  # an incomplete line
        self._trailer_bytes = 0

    def feed(self, data: bytes) -> bytes:
        """Return the data of a read, the pieces of several chunks joined."""
        if self._held:
            data, self._held = self._held + data, b""
        spans: list[tuple[int, int]] = []  # of the data in what was read
        at = 0
        if self._next is _Next.SIZE:
            # Nearly always a read is one whole chunk, or some.
            while at < len(data) and (found := _SIZE.match(data, at)) is not None:
                start = found.end()
                end = start + int(found[1], 16)
                if start == end or not data.startswith(_LINE_END, end):
                    break
                spans.append((start, end))
                at = end + 2
        if at < len(data):
            self._take_parts(data, at, spans)
        if len(spans) == 1:
            start, end = spans[0]
            return data[start:end]
        view = memoryview(data)  # so that each byte is copied once
        return b"".join([view[start:end] for start, end in spans])

    def _take_parts(self, data: bytes, at: int, spans: list[tuple[int, int]]) -> None:
        """Read part after part of what is no whole chunk, and add where data is in it."""
        try:
            while at < len(data) and not self.is_complete and not self._held:
                at = self._step(data, at, spans)
        except _BrokenError:
            self.is_broken = True
        if self.is_complete:
            self.rest += data[at:]

    def _step(self, data: bytes, at: int, spans: list[tuple[int, int]]) -> int:
        """Read one part of the coding, and return the place behind it."""
        match self._next:
            case _Next.DATA:
                end = min(at + self._left, len(data))
                spans.append((at, end))
                self._left -= end - at
                if not self._left:
                    self._next = _Next.DATA_END
                return end
            case _Next.DATA_END:
                if not data.startswith(_LINE_END, at):
                    return self._hold(data, at, len(_LINE_END))
                self._next = _Next.SIZE
                return at + len(_LINE_END)
            case _Next.SIZE:
                found = _SIZE.match(data, at)
                if found is None:
                    return self._hold(data, at, MAX_LINE_BYTES)
                self._left = int(found[1], 16)
                self._next = _Next.DATA if self._left else _Next.TRAILER
                return found.end()
            case _:
                return self._trailer(data, at)

    def _trailer(self, data: bytes, at: int) -> int:
        """Skip a trailer; the empty line behind them ends the body."""
        end = data.find(_LINE_END, at)
        if end < 0:
            return self._hold(data, at, MAX_LINE_BYTES - self._trailer_bytes)
        self.is_complete = end == at
        self._trailer_bytes += end - at
        if self._trailer_bytes > MAX_LINE_BYTES:
            raise _BrokenError
        return end + len(_LINE_END)

    def _hold(self, data: bytes, at: int, max_bytes: int) -> int:
        """Keep an incomplete line for the next read, unless it can be none."""
        line = data[at:]
        is_whole = b"\n" in line or (
            self._next is _Next.DATA_END and not _LINE_END.startswith(line)
        )
        if is_whole or len(line) > max_bytes:
            raise _BrokenError
        self._held = line
        return len(data)
