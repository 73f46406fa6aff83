"""Several worker processes under gunicorn, which restarts one that dies."""

import logging
import socket
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from aiohttp import web
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]  # it has no types
from gunicorn.glogging import Logger  # type: ignore[import-untyped]  # it has no types
from typing_extensions import override

from service.config import Config
from service.logs import setup_logging
from service.runner import FLUSH_SECONDS, DrainingRunner, Program

# A worker that is draining does not report; it must not be taken for a hung one.
MARGIN_SECONDS = FLUSH_SECONDS + 10
HUNG_SECONDS = 60


class WorkerLog(Logger):  # type: ignore[misc]  # gunicorn has no types
    """Gunicorn's messages, through the logging of the gateway."""

    @override
    def setup(self, cfg: Any) -> None:
        """Add no handlers: the root logger's are enough."""
        self.cfg = cfg
        self._access_log_enabled = False
        self.error_log.propagate = True
        self.error_log.setLevel(logging.WARNING)  # one line a worker at INFO is noise


class Workers(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """The gateway in `server.workers` processes that share listening sockets.

    Args:
        config: the settings.
        program: what each worker runs.
        sockets: already bound.
        on_ready: called once in the parent, when it listens.
    """

    def __init__(
        self,
        config: Config,
        program: Program,
        sockets: list[socket.socket],
        on_ready: Callable[[], None],
    ) -> None:
        self._config = config
        self._program = program
        self._sockets = sockets
        self._on_ready = on_ready
        self._logging = ExitStack()  # of one worker
        super().__init__()

    @override
    def load_config(self) -> None:
        """Tell gunicorn what it has to know; nothing comes from its own files."""
        drain = self._config.server.drain_seconds + MARGIN_SECONDS
        settings = {
            "bind": [f"fd://{one.fileno()}" for one in self._sockets],
            "workers": self._config.server.workers,
            "worker_class": "aiohttp.worker.GunicornUVLoopWebWorker",
            "timeout": int(HUNG_SECONDS + drain),
            "graceful_timeout": int(drain),
            "logger_class": WorkerLog,
            "control_socket_disable": True,
            "when_ready": lambda _arbiter: self._on_ready(),
            "post_fork": lambda _arbiter, _worker: self._start_logging(),
            "worker_exit": lambda _arbiter, _worker: self._logging.close(),
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    @override
    def load(self) -> Callable[[], Any]:
        """Return what the worker awaits for its runner."""

        async def make_runner() -> web.AppRunner:
            return DrainingRunner(self._program, self._config)

        return make_runner

    def _start_logging(self) -> None:
        """Give the worker a logging thread of its own: threads do not survive a fork."""
        self._logging.enter_context(setup_logging(self._config.log))
