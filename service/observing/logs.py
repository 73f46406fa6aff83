"""Logging: one line a record, written to stderr and a file by a thread of its own.

The event loop only formats records and puts them into a queue, so that a slow disk or a full pipe
holds up the thread alone.

    logger -> QueueHandler (formats, redacts) -> queue -> thread -> stderr, file
"""

import logging
import queue
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from logging.handlers import QueueHandler, QueueListener
from pathlib import Path
from typing import Any

import orjson
from typing_extensions import override

from service.observing.log_files import DailyFileHandler
from service.observing.python_reports import python_reports_logged
from service.observing.redaction import REDACTED, SECRET_NAME, has_signs, redact
from service.observing.standard_error import StandardErrorHandler
from service.settings.config import LogConfig

GATHER_SECONDS = 0.05  # how late a line may be written
MAX_LINES = 1_000  # written at once
_OWN_FIELDS = tuple(vars(logging.makeLogRecord({})))
_LATER_FIELDS = ("message", "asctime")  # that other formatters add
_BREAKS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_SPECIAL = re.compile(r"[\s\"=]")  # what a value is quoted for
# These log each statement or each task at DEBUG, with its data.
_NOISY = ("aiosqlite", "asyncio", "PIL")

STOP_SECONDS = 5.0  # the thread's time to write what is left

MAX_WAITING = 20_000  # records not yet written by the thread, some tens of MiB

_logger = logging.getLogger(__name__)


class TextFormatter(logging.Formatter):
    """`2026-11-22 17:10:24,123 INFO service.launch: message key=value`, always one line."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        message, fields, trace = record.getMessage(), _extra(record), _trace(self, record)
        stamp = f"{_second(int(record.created))},{int(record.msecs):03}"
        head = f"{stamp} {record.levelname} {record.name}: "
        if not trace and (said := _plain(message, fields)) is not None:
            return head + said  # nearly all of them
        shown = [f"{name}={_quoted(value)}" for name, value in _redacted(fields).items()]
        parts = [head + redact(message), *shown, *([trace] if trace else ())]
        return _writable(_BREAKS.sub(_escaped, " ".join(parts)))


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, the extras, traceback."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        zone = time.strftime("%z", time.localtime(record.created))
        stamp = self.formatTime(record, "%Y-%m-%dT%H:%M:%S")
        entry: dict[str, Any] = {
            "time": f"{stamp}.{int(record.msecs):03}{zone[:3]}:{zone[3:]}",
            "level": record.levelname,
            "logger": record.name,
            "message": _writable(redact(record.getMessage())),
        }
        for name, value in _redacted(_extra(record)).items():
            entry.setdefault(name, value if _is_number(value) else _writable(str(value)))
        if trace := _trace(self, record):
            entry["traceback"] = _writable(trace)
        return orjson.dumps(entry).decode()


class BoundedQueueHandler(QueueHandler):
    """Puts records into the queue, unless the thread has fallen far behind.

    A disk that hangs must not fill the memory; the number of dropped records is logged later.
    """

    def __init__(self, records: queue.SimpleQueue[Any]) -> None:
        super().__init__(records)
        self._records = records
        self._dropped = 0

    @override
    def prepare(self, record: logging.LogRecord) -> Any:
        """Return a copy with the finished line only, so that other handlers still get the record."""
        return self.format(record)

    @override
    def enqueue(self, record: Any) -> None:
        if self._records.qsize() >= MAX_WAITING:
            self._dropped += 1
            return
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            _logger.warning("%d records were dropped: nobody took them in time", dropped)
        super().enqueue(record)

    @override
    def handleError(self, record: logging.LogRecord) -> None:
        """Log that a line could not be made; Python's own method writes to standard error."""
        self._records.put(f"a record of {record.name} could not be written: {sys.exc_info()[1]!r}")


class LogWriter(QueueListener):
    """Writes gathered lines in one call, since each write makes the event loop wait for the GIL."""

    def __init__(self, lines: queue.SimpleQueue[Any], *handlers: logging.Handler) -> None:
        super().__init__(lines, *handlers)
        self._lines = lines
        self.is_stuck = False

    @override
    def stop(self) -> None:
        """Write what is left and end the thread, unless it hangs in a write."""
        for handler in self.handlers:
            if isinstance(handler, StandardErrorHandler):
                handler.leave()
        thread, self._thread = self._thread, None
        if thread is not None:
            self.enqueue_sentinel()
            thread.join(STOP_SECONDS)
            self.is_stuck = thread.is_alive()

    @override
    def dequeue(self, block: bool) -> Any:
        """Return the next lines as one record; after waiting for the first, wait a moment for more."""
        is_idle = self._lines.empty()
        line: Any = super().dequeue(block)
        if line is None:  # the mark that ends the thread
            return line
        if is_idle:
            time.sleep(GATHER_SECONDS)
        lines = [line]
        while len(lines) < MAX_LINES and not self._lines.empty():
            line = self._lines.get_nowait()
            if line is None:
                self._lines.put(None)
                break
            lines.append(line)
        return logging.makeLogRecord({"msg": "\n".join(lines)})


# Longer than the budget: each thing that is set up stands beside what undoes it.
@contextmanager
def setup_logging(config: LogConfig) -> Iterator[LogWriter]:
    """Send this process's log to where the settings say, until the context ends.

    After a fork the new process enters a context of its own, because threads do not survive a fork.
    A file that cannot be written is one warning; stderr has everything. The value tells afterwards
    whether its thread is stuck, in which case Python's normal exit would wait for it.
    """
    records: queue.SimpleQueue[Any] = queue.SimpleQueue()
    entrance = BoundedQueueHandler(records)
    entrance.setFormatter(JsonFormatter() if config.format == "json" else TextFormatter())
    handlers: list[logging.Handler] = [StandardErrorHandler()]
    root = logging.getLogger()
    before = (
        root.handlers[:],
        root.level,
        {name: logging.getLogger(name).level for name in _NOISY},
    )
    root.handlers[:] = [entrance]
    root.setLevel(config.level)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    if config.to_file:
        handlers.append(DailyFileHandler(Path(config.path), config.keep_days))
    listener = LogWriter(records, *handlers)
    listener.start()
    try:
        with python_reports_logged(), _without_origins():
            yield listener
    finally:
        root.handlers[:], root.level = before[0], before[1]
        for name, level in before[2].items():
            logging.getLogger(name).setLevel(level)
        listener.stop()
        for handler in handlers if not listener.is_stuck else ():
            handler.close()


@contextmanager
def _without_origins() -> Iterator[None]:
    """Let records not look for their place in the code and their thread, which no line shows.

    The switches are those of Python's logging HOWTO, chapter "Optimization".
    """
    before = logging._srcfile, logging.logThreads, logging.logProcesses  # noqa: SLF001 - see above
    logging._srcfile, logging.logThreads, logging.logProcesses = None, False, False  # noqa: SLF001
    try:
        yield
    finally:
        logging._srcfile, logging.logThreads, logging.logProcesses = before  # noqa: SLF001


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields passed to the logger as `extra`, without those that are called a secret."""
    fields = vars(record).copy()
    for name in _OWN_FIELDS:
        del fields[name]
    for name in _LATER_FIELDS:
        fields.pop(name, None)
    for name in _secret_names(tuple(fields)):
        fields[name] = fields[name] and REDACTED
    return fields


def _redacted(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields without secrets in their texts."""
    return {name: each if _is_number(each) else redact(str(each)) for name, each in fields.items()}


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    """Return the local time of a second; cached, since many records share one."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


@lru_cache(maxsize=256)
def _secret_names(names: tuple[str, ...]) -> list[str]:
    """Return those names of fields that mean a secret; cached, since few lines have other names."""
    return [name for name in names if SECRET_NAME.fullmatch(name)]


def _is_number(value: object) -> bool:
    """Tell whether a value is shown as it is: a number, true, false, or nothing."""
    return value is None or isinstance(value, int | float)


def _plain(message: str, fields: Mapping[str, Any]) -> str | None:
    """Return `message key=value …`, or None if something in it may have to be replaced or quoted."""
    texts = [f"{value}" for value in fields.values()]
    joined = "".join(texts)
    if " " in joined or '"' in joined or "None" in joined or "" in texts:
        return None
    line = _layout(tuple(fields)) % (message, *texts)
    if has_signs(message + joined) or not (line.isascii() and line.isprintable()):
        return None
    return line


@lru_cache(maxsize=256)
def _layout(names: tuple[str, ...]) -> str:
    """Return `%s first=%s second=%s`; cached, since few lines have other fields."""
    return " ".join(["%s", *(f"{name.replace('%', '%%')}=%s" for name in names)])


def _quoted(value: object) -> str:
    text = "-" if value is None or value == "" else str(value)
    return orjson.dumps(_writable(text)).decode() if _SPECIAL.search(text) else text


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    if not (record.exc_info or record.stack_info):
        return ""
    parts = []
    if record.exc_info:
        parts.append(formatter.formatException(record.exc_info))
    if record.stack_info:
        parts.append(formatter.formatStack(record.stack_info))
    return redact("\n".join(parts))


def _writable(text: str) -> str:
    """Return the text with lone surrogates, which no encoding can write, as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
