"""A log file that is rotated at midnight and written by several processes at once.

`logging.handlers.TimedRotatingFileHandler` is for one process: at midnight each worker would rename
the file, and the second rename would overwrite the day that the first put aside. Here the day
belongs to the file, not to the process: under a lock, the first process after midnight renames it,
and every other one sees by the inode, as `WatchedFileHandler` does, that it has to open the new
file.
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
RETRY_SECONDS = 5.0  # between tries to write to a file that could not be written

_logger = logging.getLogger(__name__)


class DailyFileHandler(WatchedFileHandler):
    """Append to a file; rename it to `<name>.<day>` when its day is over.

    When the file cannot be written, for instance because its directory was removed, one warning is
    logged; the first record after `RETRY_SECONDS` tries again and creates it anew.

    Args:
        path: the file; its directory is created if need be.
        keep_days: how many old days are kept.
        clock: seconds since the epoch, as `time.time`.
    """

    def __init__(self, path: Path, keep_days: int, clock: Callable[[], float] = time.time) -> None:
        super().__init__(path, encoding="utf-8", errors="backslashreplace", delay=True)
        self._path = path
        self._keep_days = keep_days
        self._clock = clock
        self._day = ""
        self._again_at: float | None = None  # set while it cannot be written
        try:
            self._begin()
        except OSError as error:
            self._rest(error)

    @override
    def emit(self, record: logging.LogRecord) -> None:
        if self._again_at is not None and self._is_resting(self._again_at):
            return
        try:
            if self.stream is None:
                self._begin()
            self.reopenIfNeeded()
            if self._day != self._today():
                self._end_day()
        except OSError as error:
            self._rest(error)
        else:
            super().emit(record)

    @override
    def handleError(self, record: logging.LogRecord) -> None:
        """Do without the file for a while; stderr has every record anyway."""
        self._rest(sys.exc_info()[1])

    def _begin(self) -> None:
        """Open the file, which may be left from an earlier day."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self.stream = self._open()
        self._statstream()
        status = os.fstat(self.stream.fileno())
        self._day = self._day_of(status.st_mtime) if status.st_size else self._today()
        if self._again_at is not None:
            self._again_at = None
            _logger.warning("writing to %s again", self._path)

    def _is_resting(self, until: float) -> bool:
        """Tell whether it is too soon for another try; a clock that was set back ends the wait."""
        return until - RETRY_SECONDS <= self._clock() < until

    def _rest(self, error: BaseException | None) -> None:
        if self._again_at is None:
            reason = (error.strerror if isinstance(error, OSError) else None) or error
            _logger.warning("cannot write to %s (%s); logging to stderr only", self._path, reason)
        self._again_at = self._clock() + RETRY_SECONDS
        stream, self.stream = self.stream, None
        if stream is not None:
            with suppress(OSError):  # raised again for the line that could not be written
                stream.close()

    def _end_day(self) -> None:
        """Rotate the file; where that is not permitted, the old one is continued."""
        try:
            self._rotate()
        except OSError as error:
            _logger.warning("cannot put %s aside: %s", self._path, error.strerror)
        self._day = self._today()

    def _rotate(self) -> None:
        """Rename the file unless another process has done so, and delete the oldest days."""
        with self._locked():
            day = self._day_of(self._path.stat().st_mtime) if self._path.exists() else self._today()
            aside = self._path.with_name(f"{self._path.name}.{day}")
            if day != self._today() and not aside.exists():
                self._path.rename(aside)
            self._forget()
            self.reopenIfNeeded()
            os.utime(self._path)  # an empty new file has a day as well

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
