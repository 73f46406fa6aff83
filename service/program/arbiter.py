"""Gunicorn's parent process, which ends old workers only after new ones are ready.

On SIGHUP gunicorn itself starts new workers and ends the old ones at once, so that all callers wait
until the new ones have loaded everything. Here the old workers serve on until as many new ones have
reported that they listen. At most two generations exist at once: a SIGHUP during a change takes
effect when the change is done, and several of them count as one.

    SIGHUP ──> new workers start ──> all are ready ──> the old ones drain ──> a SIGHUP meanwhile?
                    └─> one does not start: the others of its kind end, the old ones serve on
"""

import logging
import os
import signal
import struct
from typing import Any

from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]  # it has no types
from gunicorn.errors import HaltServer  # type: ignore[import-untyped]  # it has no types
from typing_extensions import override

_LOOK_SECONDS = 0.1  # between looks at the pipe while workers start
_PID = struct.Struct("=q")  # so short a write to a pipe is never split

_log = logging.getLogger(__name__)


class ReadyPipe:
    """A pipe by which workers report that they listen; created before they are forked."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)

    def tell(self, pid: int) -> None:
        """Report that a worker is ready; called in its process."""
        os.write(self._writing, _PID.pack(pid))

    def told(self) -> set[int]:
        """Return the workers that have reported since the last call."""
        found = set()
        try:
            while piece := os.read(self._reading, _PID.size):
                found.add(_PID.unpack(piece)[0])
        except BlockingIOError:
            pass
        return found


class RelievingArbiter(Arbiter):  # type: ignore[misc]  # gunicorn has no types
    """Keeps `num_workers` workers of one generation, and replaces them without a gap.

    Args:
        app: gunicorn's application.
        ready: the pipe by which its workers report that they listen.
    """

    def __init__(self, app: Any, ready: ReadyPipe) -> None:
        super().__init__(app)
        self._ready = ready
        self._generation = 0
        self._generations: dict[int, int] = {}  # the generation of each worker, by pid
        self._serving: set[int] = set()
        self._leaving: set[int] = set()
        self._is_asked_again = False

    @override
    def reload(self) -> None:
        """Read the settings again and begin a new generation; if one is starting, do so afterwards."""
        if self._is_changing():
            self._is_asked_again = True
            return
        self._stats["reloads"] += 1
        self.app.reload()
        self.setup(self.app)
        self._generation += 1

    @override
    def wait_for_signals(self, timeout: float = 1.0) -> list[int]:
        seconds = _LOOK_SECONDS if self._is_changing() else timeout
        signals: list[int] = super().wait_for_signals(seconds)
        return signals

    @override
    def manage_workers(self) -> None:
        """Start the missing workers of this generation; once all of it serves, end the older ones."""
        self._serving = (self._serving | self._ready.told()) & self.WORKERS.keys()
        self._leaving &= self.WORKERS.keys()
        own = self._of_generation()
        for _ in range(self.num_workers - len(own)):
            self.spawn_worker()
        ready = [pid for pid in own if pid in self._serving]
        if len(ready) >= self.num_workers:
            stay = set(ready[-self.num_workers :])
            for pid in self.WORKERS.keys() - stay - self._leaving:
                self._end(pid)
            if self._is_asked_again:
                self._is_asked_again = False
                self.reload()

    @override
    def spawn_worker(self) -> int:
        pid: int = super().spawn_worker()
        self._generations[pid] = self._generation
        return pid

    @override
    def reap_workers(self) -> None:
        """Note which workers have ended.

        Raises:
            HaltServer: one could not start, and no other worker serves.
        """
        try:
            super().reap_workers()
        except HaltServer:
            others = self._serving & self.WORKERS.keys() - self._leaving
            if not others:
                raise
            _log.error("new workers do not start; those that serve go on")
            failed = self._generation
            self._generation = max(self._generations[pid] for pid in others)
            for pid in self._of_generation(failed) if failed != self._generation else ():
                self._end(pid)
        for pid in self._generations.keys() - self.WORKERS.keys():
            del self._generations[pid]

    def _of_generation(self, generation: int | None = None) -> list[int]:
        """Return the workers of a generation that are not leaving, the oldest first."""
        wanted = self._generation if generation is None else generation
        found = [
            worker
            for pid, worker in self.WORKERS.items()
            if self._generations.get(pid) == wanted and pid not in self._leaving
        ]
        return [worker.pid for worker in sorted(found, key=lambda worker: worker.age)]

    def _is_changing(self) -> bool:
        missing: int = self.num_workers - len(self._serving & set(self._of_generation()))
        return missing > 0

    def _end(self, pid: int) -> None:
        self._leaving.add(pid)
        self.kill_worker(pid, signal.SIGTERM)
