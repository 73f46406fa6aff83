"""Writes lines to standard error without ever waiting long.

The program that started the gateway may not read its standard error: once that pipe is full, a
write would block for ever, and so would the end of the process. So each piece is written only when
there is room for it. Lines without room for some seconds are dropped and counted; until there is
room again, further lines are dropped at once.
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
LAST_PATIENCE_SECONDS = 1.0  # at the end of the process
_LOOK_SECONDS = 0.1
_PIECE_BYTES = select.PIPE_BUF  # a pipe that is ready for writing takes at least so many


class StandardErrorHandler(logging.StreamHandler[TextIO]):
    """Writes to the standard error that exists when the handler is created."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self._leaving = threading.Event()
        self._is_full = False
        self._dropped = 0
        self._descriptor: int | None = None
        with suppress(OSError, ValueError, AttributeError):  # it is not a file, or missing
            self._descriptor = sys.stderr.fileno()
            mode = os.fstat(self._descriptor).st_mode
            self._piece = _PIECE_BYTES if not stat.S_ISREG(mode) else sys.maxsize

    def leave(self) -> None:
        """Shorten all waits, because the process is ending."""
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
            # The first line is the count itself, until it has been written.
            own = 1 if self._dropped and not sent else 0
            left = data[sent:].count(b"\n") - own
            self._dropped = left if sent else self._dropped + left

    def _write(self, descriptor: int, data: bytes) -> int:
        """Return the number of bytes for which there was room in time."""
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
