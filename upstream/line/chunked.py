r"""Decodes the chunked transfer coding (RFC 9112, 7.1). Pure.

5\r\nhello\r\n0\r\n\r\n      ->  hello
"""

import re
from enum import Enum, auto

MAX_LINE_BYTES = 4096  # of a chunk's size with its extensions, and of all trailers together
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n")
_LINE_END = b"\r\n"
_CR, _LF = _LINE_END


class _Next(Enum):
    SIZE = auto()
    DATA = auto()
    DATA_END = auto()  # the line end after a chunk's data
    TRAILER = auto()


class _BrokenError(Exception):
    pass


class ChunkedBody:
    """One body; `rest` has the bytes behind its end.

    It `is_over` when it `is_complete`, the last chunk and the trailers having been read, or when it
    `is_broken`, what came last being no chunk.
    """

    def __init__(self) -> None:
        self.rest = b""
        self.is_over = False
        self.is_complete = False
        self.is_broken = False
        self._is_between = True  # two chunks
        self._next = _Next.SIZE
        self._left = 0  # bytes of data that the current chunk still lacks
        self._held = b""  # an incomplete line
        self._trailer_bytes = 0

    def feed(self, data: memoryview) -> bytes:
        """Return the data of a read, the pieces of several chunks joined: a copy of each byte."""
        if self._is_between:  # and a read is mostly one whole chunk, whose size is then known
            size = len(data)
            start = (size.bit_length() + 3) // 4 + 2
            left = size - start - 2
            if left > 0 and data[:start] == b"%x\r\n" % left and data[-2:] == _LINE_END:
                return data[start:-2].tobytes()
        pieces: list[memoryview] = []
        self._take_parts(data, pieces)
        self._is_between = self._next is _Next.SIZE and not self._held
        self.is_over = self.is_complete or self.is_broken
        return b"".join(pieces)

    def _take_parts(self, data: memoryview, pieces: list[memoryview]) -> None:
        """Read part after part of the coding, and add the pieces of data."""
        if self._held:
            data, self._held = memoryview(self._held + data), b""
        at = 0
        try:
            while at < len(data) and not self.is_complete and not self._held:
                at = self._step(data, at, pieces)
        except _BrokenError:
            self.is_broken = True
        if self.is_complete:
            self.rest += data[at:]

    def _step(self, data: memoryview, at: int, pieces: list[memoryview]) -> int:
        """Read one part of the coding, and return the place behind it."""
        match self._next:
            case _Next.SIZE:
                at = _take_whole_chunks(data, at, pieces)
                found = _SIZE.match(data, at)
                if found is None:
                    return self._hold(data, at, MAX_LINE_BYTES)
                self._left = int(found[1], 16)
                self._next = _Next.DATA if self._left else _Next.TRAILER
                return found.end()
            case _Next.DATA:
                end = min(at + self._left, len(data))
                pieces.append(data[at:end])
                self._left -= end - at
                if not self._left:
                    self._next = _Next.DATA_END
                return end
            case _Next.DATA_END:
                end = at + len(_LINE_END)
                if data[at:end] != _LINE_END:
                    return self._hold(data, at, len(_LINE_END))
                self._next = _Next.SIZE
                return end
            case _:
                return self._trailer(data, at)

    def _trailer(self, data: memoryview, at: int) -> int:
        """Skip a trailer; the empty line behind them ends the body."""
        left = MAX_LINE_BYTES - self._trailer_bytes
        size = data[at : at + left + len(_LINE_END)].tobytes().find(_LINE_END)
        if size < 0:
            return self._hold(data, at, left)
        self.is_complete = size == 0
        self._trailer_bytes += size
        return at + size + len(_LINE_END)

    def _hold(self, data: memoryview, at: int, max_bytes: int) -> int:
        """Keep an incomplete line for the next read, unless it can be none."""
        line = data[at:].tobytes()
        is_whole = b"\n" in line or (
            self._next is _Next.DATA_END and not _LINE_END.startswith(line)
        )
        if is_whole or len(line) > max_bytes:
            raise _BrokenError
        self._held = line
        return len(data)


def _take_whole_chunks(data: memoryview, at: int, pieces: list[memoryview]) -> int:
    """Add the data of the chunks that are whole, as nearly all are, and return the place behind them."""
    match, last = _SIZE.match, len(data) - len(_LINE_END)
    while found := match(data, at):
        start = found.end()
        end = start + int(found[1], 16)
        if not (start < end <= last and data[end] == _CR and data[end + 1] == _LF):
            break
        pieces.append(data[start:end])
        at = end + len(_LINE_END)
    return at
