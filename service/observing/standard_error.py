"""Lines to standard error that wait for nobody for long.

Who started us may not read our standard error: once its pipe is full, a write blocks for ever, and
so would the end of the process. So each piece is written only when there is room for it. Lines that
find none within some seconds are dropped and counted, and until there is room again nothing waits.
"""

import logging
import os
import select
import stat
import sys
import threading
import time
from contextlib import suppress
from typing import TextIO

from typing_extensions import override

PATIENCE_SECONDS = 5.0
LAST_PATIENCE_SECONDS = 1.0  # when the process ends
_LOOK_SECONDS = 0.1
_PIECE_BYTES = select.PIPE_BUF  # a pipe that can be written takes as many at once


class StandardErrorHandler(logging.StreamHandler[TextIO]):
    """Writes to the standard error that there is when it is made."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self._leaving = threading.Event()
        self._is_full = False
        self._dropped = 0
        self._descriptor: int | None = None
        with suppress(OSError, ValueError, AttributeError):  # it is no file, or there is none
            self._descriptor = sys.stderr.fileno()
            mode = os.fstat(self._descriptor).st_mode
            self._piece = _PIECE_BYTES if not stat.S_ISREG(mode) else sys.maxsize

    def leave(self) -> None:
        """Wait for little from now on."""
        self._leaving.set()

    @override
    def emit(self, record: logging.LogRecord) -> None:
        if self._descriptor is None:
            super().emit(record)
            return
        lines = self.format(record) + self.terminator
        if self._dropped:
            lines = f"{self._dropped} lines were dropped: standard error was full\n{lines}"
        data = lines.encode("utf-8", "backslashreplace")
        with suppress(OSError):  # it was closed at the other end
            sent = self._write(self._descriptor, data)
            self._is_full = sent < len(data)
            # The first is the count itself, as long as it was not written.
            own = 1 if self._dropped and not sent else 0
            left = data[sent:].count(b"\n") - own
            self._dropped = left if sent else self._dropped + left

    def _write(self, descriptor: int, data: bytes) -> int:
        """Return how many bytes there was room for in time."""
        sent = 0
        until = time.monotonic() + (0.0 if self._is_full else PATIENCE_SECONDS)
        while sent < len(data) and self._has_room(descriptor, until):
            sent += os.write(descriptor, data[sent : sent + self._piece])
        return sent

    def _has_room(self, descriptor: int, until: float) -> bool:
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        while not poll.poll(_LOOK_SECONDS * 1000 if time.monotonic() < until else 0):
            if self._leaving.is_set():
                until = min(until, time.monotonic() + LAST_PATIENCE_SECONDS)
                self._leaving.clear()
            if time.monotonic() >= until:
                return False
        return True
