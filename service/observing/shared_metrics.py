"""Adds up the metrics of several worker processes, by files of prometheus-client (spec 12).

The counters and histograms of a worker that is gone still count, moved to files of no process; its
gauges do not. Outside of `shared_metrics` each process has metrics of its own.

    worker -> <kind>_<pid>.db \
                               > any worker's /metrics
    worker -> <kind>_<pid>.db /
"""

import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry, values
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

# The library's variable for the folder, in this process and in those that it forks.
_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_ADDING_KINDS = ("counter", "histogram")
_NO_PROCESS = 0

_logger = logging.getLogger(__name__)


@contextmanager
def shared_metrics() -> Iterator[None]:
    """Let processes forked in this context share their metrics, which have to be created in it."""
    try:
        folder = tempfile.mkdtemp(prefix="gateway-metrics-")
    except OSError as error:
        _logger.warning("each worker has figures of its own: %s", error.strerror or error)
        yield
        return
    before, owner = os.environ.get(_VARIABLE), os.getpid()
    os.environ[_VARIABLE] = folder
    values.ValueClass = values.MultiProcessValue()  # as the library does when it is imported
    try:
        yield
    finally:
        if os.getpid() == owner:
            values.ValueClass = values.MutexValue
            os.environ.pop(_VARIABLE)
            if before is not None:
                os.environ[_VARIABLE] = before
            shutil.rmtree(folder, ignore_errors=True)


def is_shared() -> bool:
    """Tell whether this process shares its metrics with others."""
    return values.ValueClass is not values.MutexValue


@contextmanager
def of_all_workers() -> Iterator[CollectorRegistry]:
    """Yield a registry with the sums of all workers; blocks, and reads files."""
    registry = CollectorRegistry()
    with _locked(fcntl.LOCK_SH):
        MultiProcessCollector(registry)
        yield registry


def forget_worker(pid: int) -> None:
    """Add the metrics of a worker that is gone to those kept, so that no total ever falls.

    Called by the process that started it. A scrape sees the files before or after the move.
    """
    if not is_shared():
        return
    with _locked(fcntl.LOCK_EX) as folder:
        for kind in _ADDING_KINDS:
            left = folder / f"{kind}_{pid}.db"
            if left.exists():
                _add(left, folder / f"{kind}_{_NO_PROCESS}.db")
                left.unlink()
        mark_process_dead(pid)


def _add(left: Path, total: Path) -> None:
    kept = MmapedDict(str(total))
    try:
        for key, value, _, _ in MmapedDict.read_all_values_from_file(str(left)):
            kept.write_value(key, kept.read_value(key)[0] + value, 0.0)
    finally:
        kept.close()


@contextmanager
def _locked(how: int) -> Iterator[Path]:
    path = Path(os.environ[_VARIABLE])
    folder = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(folder, how)
        yield path
    finally:
        os.close(folder)
