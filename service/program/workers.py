"""Several worker processes under gunicorn, which restarts one that dies.

On SIGHUP the settings are read again, and new workers replace the old ones once they are ready
(`arbiter.py`); the old ones finish their requests. The sockets stay open all the while.
"""

import logging
import os
import signal
import socket
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType
from typing import Any

from aiohttp import web
from aiohttp.worker import GunicornUVLoopWebWorker
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]  # it has no types
from gunicorn.glogging import Logger  # type: ignore[import-untyped]  # it has no types
from typing_extensions import override

from service.observing.logs import setup_logging
from service.observing.shared_metrics import forget_worker
from service.program.arbiter import ReadyPipe, RelievingArbiter
from service.program.runner import FLUSH_SECONDS, DrainingRunner, Program
from service.settings.config import Config

# A draining worker does not report, and must not be taken for a hung one.
MARGIN_SECONDS = FLUSH_SECONDS + 10
HUNG_SECONDS = 60

_log = logging.getLogger(__name__)


def run_workers(
    settings: Callable[[], Config],
    program: Program,
    sockets: list[socket.socket],
    on_ready: Callable[[], None],
) -> int:
    """Run `server.workers` processes until a signal; return the exit status.

    Args:
        settings: read at the start and again for each SIGHUP.
        program: what each worker runs.
        sockets: bound and listening; all workers accept from them. They are taken
            over: no other process may hold them, or they would outlive the workers.
        on_ready: called once in the parent, when it listens.
    """
    parent = os.getpid()
    try:
        Workers(settings, program, sockets, on_ready).run()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 0
        if os.getpid() != parent:
            # A worker also returns here; the demo and the log thread belong to the parent.
            os._exit(status)
        return status
    return 0


class WorkerLog(Logger):  # type: ignore[misc]  # gunicorn has no types
    """Gunicorn's messages, through the logging of the gateway."""

    @override
    def setup(self, cfg: Any) -> None:
        """Add no handlers: the root logger's are enough."""
        self.cfg = cfg
        self._access_log_enabled = False
        self.error_log.propagate = True
        self.error_log.setLevel(logging.WARNING)  # at INFO each worker logs a line


class Worker(GunicornUVLoopWebWorker):
    """The process of one worker."""

    _has_told = False

    @override
    def notify(self) -> None:
        """Report that the worker lives; aiohttp's worker does so only once it listens."""
        super().notify()
        if not self._has_told:
            self._has_told = True
            self.app.ready.tell(self.pid)

    @override
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop at once; aiohttp's worker checks only once a second whether it should."""
        self.handle_quit(sig, frame)


class Workers(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """The gateway as an application of gunicorn."""

    def __init__(
        self,
        settings: Callable[[], Config],
        program: Program,
        sockets: list[socket.socket],
        on_ready: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._program = program
        self._descriptors = [one.detach() for one in sockets]
        self._on_ready = on_ready
        self._logging = ExitStack()  # of a worker
        self.ready = ReadyPipe()
        super().__init__()

    @override
    def run(self) -> None:
        """Run the parent process until a signal ends it."""
        RelievingArbiter(self, self.ready).run()

    @override
    def load_config(self) -> None:
        """Give gunicorn its settings, at the start and at each reload."""
        self._config = self._settings()
        drain = self._config.server.drain_seconds + MARGIN_SECONDS
        settings = {
            # The same names at each reload, so that it goes on listening.
            "bind": [f"fd://{number}" for number in self._descriptors],
            "workers": self._config.server.workers,
            "worker_class": Worker,
            "timeout": int(HUNG_SECONDS + drain),
            "graceful_timeout": int(drain),
            "logger_class": WorkerLog,
            "control_socket_disable": True,
            "when_ready": lambda _arbiter: self._on_ready(),
            "post_fork": lambda _arbiter, _worker: self._begin(),
            "child_exit": lambda _arbiter, worker: _forget(worker.pid),
            "worker_exit": lambda _arbiter, _worker: self._logging.close(),
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    @override
    def load(self) -> Callable[[], Any]:
        """Return the function that a worker awaits for its runner."""

        async def make_runner() -> web.AppRunner:
            return DrainingRunner(self._program, self._config)

        return make_runner

    def _begin(self) -> None:
        """Prepare a forked worker: drop the parent's signal handlers and logging thread."""
        # Until the worker has its own handlers, the parent's would swallow its SIGTERM. That is
        # sent once, so the whole `graceful_timeout` would pass before the end.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)
        self._logging.enter_context(setup_logging(self._config.log))


def _forget(pid: int) -> None:
    try:
        forget_worker(pid)
    except Exception:  # noqa: BLE001 - figures must not end the process that restarts workers
        _log.exception("the figures of worker %s are lost", pid)
