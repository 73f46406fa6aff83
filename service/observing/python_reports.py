"""Sends to the log what Python itself would write to standard error, even on the event loop.

These are warnings, some of which quote a caller's words, exceptions that cannot be caught (in a
finalizer), and those that end a thread. Each place is logged once a minute at most.
"""

import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TextIO

from service.observing.throttled import Throttled

MAX_CHARS = 300  # of a warning

_log = logging.getLogger("gateway.python")


@contextmanager
def python_reports_logged() -> Iterator[None]:
    """Send Python's own reports to the log until the context ends."""
    before = sys.unraisablehook, threading.excepthook
    with warnings.catch_warnings():
        # By default Python keeps the text of each warning for ever, to show it only once.
        warnings.simplefilter("always", append=True)
        warnings.showwarning = _Warnings().show
        sys.unraisablehook = _unraisable
        threading.excepthook = _of_thread
        try:
            yield
        finally:
            sys.unraisablehook, threading.excepthook = before


class _Warnings:
    """Logs warnings, each place once a minute at most."""

    def __init__(self) -> None:
        self._throttled = Throttled()

    def show(  # noqa: PLR0913, PLR0917 - as Python calls it
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        """Log a warning; replaces `warnings.showwarning`."""
        del file, line
        place = f"{category.__name__} at {Path(filename).name}:{lineno}"
        if self._throttled.is_due(place):
            _log.warning("%s: %s", place, str(message)[:MAX_CHARS])


def _unraisable(report: "sys.UnraisableHookArgs") -> None:
    what = report.err_msg or "Exception ignored in"
    _log.error("%s %.200r", what, report.object, exc_info=_error(report.exc_value))


def _of_thread(report: threading.ExceptHookArgs) -> None:
    if report.exc_type is not SystemExit:
        name = report.thread.name if report.thread else "?"
        _log.error("the thread %s has ended", name, exc_info=_error(report.exc_value))


def _error(
    error: BaseException | None,
) -> tuple[type[BaseException], BaseException, TracebackType | None] | None:
    return (type(error), error, error.__traceback__) if error else None
