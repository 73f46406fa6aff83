"""A log file that is put aside at midnight, written by several processes at once.

`logging.handlers.TimedRotatingFileHandler` is for one process: at midnight each
worker would rename the file, and the second rename would overwrite the day that
the first put aside. Here the day is that of the file, not of the process: under a
lock, whoever comes first after midnight renames it, and every other process sees
by the inode, as `WatchedFileHandler` does, that it has to open the new one.
"""

import fcntl
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from logging.handlers import WatchedFileHandler
from pathlib import Path

from typing_extensions import override

_DAY = "%Y-%m-%d"


class DailyFileHandler(WatchedFileHandler):
    """Append to a file; put it aside as `<name>.<day>` once its day is over.

    Args:
        path: the file; its directory exists.
        keep_days: how many days that were put aside are kept.
        clock: seconds since the epoch, as `time.time`.

    Raises:
        OSError: the file cannot be opened.
    """

    def __init__(self, path: Path, keep_days: int, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._keep_days = keep_days
        self._clock = clock
        self._is_broken = False
        super().__init__(path, encoding="utf-8", errors="backslashreplace")
        self._day = self._day_of(path.stat().st_mtime) if path.stat().st_size else self._today()

    @override
    def emit(self, record: logging.LogRecord) -> None:
        if self._is_broken:
            return
        try:
            if self._day != self._today():
                self._turn()
        except OSError:
            self.handleError(record)
            return
        super().emit(record)

    @override
    def handleError(self, record: logging.LogRecord) -> None:
        """Say once that the file cannot be written; stderr has every record anyway."""
        self._is_broken = True
        reason = sys.exc_info()[1]
        sys.stderr.write(f"the log file {self._path} cannot be written any more: {reason}\n")

    def _turn(self) -> None:
        """Put the file aside unless another process has, and forget the oldest days."""
        with self._locked():
            day = self._day_of(self._path.stat().st_mtime) if self._path.exists() else self._today()
            aside = self._path.with_name(f"{self._path.name}.{day}")
            if day != self._today() and not aside.exists():
                self._path.rename(aside)
            self._forget()
            self.reopenIfNeeded()
            os.utime(self._path)  # an empty new file has a day, too
        self._day = self._today()

    def _forget(self) -> None:
        oldest = self._day_of(self._clock() - self._keep_days * 86400)
        for path in self._path.parent.glob(f"{self._path.name}.????-??-??"):
            if path.name.rpartition(".")[2] < oldest:
                with suppress(OSError):
                    path.unlink()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def _today(self) -> str:
        return self._day_of(self._clock())

    @staticmethod
    def _day_of(seconds: float) -> str:
        return time.strftime(_DAY, time.localtime(seconds))
