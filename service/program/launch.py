"""Run the gateway: the demo upstream if asked for, one process or several, until a signal."""

import asyncio
import errno
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack

import uvloop
from aiohttp import web

from service.observing.logs import setup_logging
from service.observing.shared_metrics import shared_metrics
from service.program.core_dumps import forbid_core_dumps
from service.program.demo_child import DemoError, RunningDemo, demo_upstream, pointed_at, told
from service.program.runner import DrainingRunner, Program
from service.settings.config import (
    Config,
    LoadedConfig,
    ServerConfig,
    load_config,
    wants_demo,
)
from service.settings.problems import ConfigError
from service.vocabulary.errors import StorageError

BACKLOG = 2048  # connections queued while all workers are busy
# A caller that reads nothing for so long is gone; OpenAI's own clients wait as long.
GONE_SECONDS = 600
_ANY_HOSTS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - recognised, not bound

_logger = logging.getLogger(__name__)


class ListenError(Exception):
    """The address cannot be listened on."""


def run(loaded: LoadedConfig, program: Program | None = None) -> int:
    """Run until SIGTERM or SIGINT; return the exit status.

    Args:
        loaded: the settings.
        program: what to run: `service.program.assembly`, or a test's own.
    """
    forbid_core_dumps()
    with setup_logging(loaded.config.log) as log:
        for note in loaded.notes:
            _logger.info("%s", note)
        try:
            status = _run(loaded, program)
        except Exception:  # else Python writes it to standard error, which may never be read
            _logger.exception("the gateway ends by a fault")
            status = 1
    if log.is_stuck:
        os._exit(status)  # the reader of our output is stuck, and must not keep this process alive
    return status


def _run(loaded: LoadedConfig, program: Program | None) -> int:
    config = loaded.config
    with ExitStack() as stack:
        program = program or _program()
        try:
            program.prepare(config)
            sockets = listen(config.server)
            for one in sockets:
                stack.enter_context(one)
            demo = ""
            if wants_demo(config):
                demo = stack.enter_context(demo_upstream())
                api = _api(config.server, sockets[0])
                stack.enter_context(told(RunningDemo(demo, api, os.getpid())))
                config = pointed_at(config, demo)
        except (ListenError, DemoError, StorageError) as error:
            sys.stderr.write(f"{error}\n")
            return 1
        announce = _announcement(loaded.config, sockets[0])
        if config.server.workers > 1:
            from service.program.workers import run_workers  # noqa: PLC0415 - gunicorn, else unused

            stack.enter_context(shared_metrics())
            return run_workers(Settings(config, demo).current, program, sockets, announce)
        return _serve(config, program, sockets, announce)


def listen(server: ServerConfig) -> list[socket.socket]:
    """Return a listening socket for each address of the host.

    Raises:
        ListenError: an address cannot be used; one line says why.
    """
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(
            server.host, server.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, kind, protocol, _, address in dict.fromkeys(found):
            sockets.append(socket.socket(family, kind, protocol))
            sockets[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; accepted connections inherit it
                sockets[-1].setsockopt(
                    socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, GONE_SECONDS * 1000
                )
            sockets[-1].bind(address)
            sockets[-1].listen(BACKLOG)
    except OSError as error:
        for one in sockets:
            one.close()
        is_used = error.errno == errno.EADDRINUSE
        reason = "another program listens there" if is_used else error.strerror
        message = f"cannot listen on {server.host}:{server.port}: {reason}"
        raise ListenError(message) from None
    return sockets


def _program() -> Program:
    from service.program import assembly  # noqa: PLC0415 - `--check` must not need the whole program

    return Program(assembly.make_app, assembly.drain, assembly.prepare)


class Settings:
    """The settings of the workers, read again for each generation of them.

    The address, the log of the parent process and the demo stay as they were at the start.

    Args:
        config: the settings at the start.
        demo: the address of the demo upstream, if it runs.
    """

    def __init__(self, config: Config, demo: str) -> None:
        self._config = config
        self._demo = demo
        self._is_first = True

    def current(self) -> Config:
        """Return the settings as they are now, or the last good ones if they are bad."""
        if self._is_first:
            self._is_first = False
            return self._config
        try:
            config = load_config(self._config.path).config
        except ConfigError as error:
            for problem in error.problems:
                _logger.error("the settings are not read again: %s", problem)  # noqa: TRY400 - no fault of ours
            return self._config
        if wants_demo(config):
            if not self._demo:
                _logger.error("the settings are not read again: the demo needs a start of its own")
                return self._config
            config = pointed_at(config, self._demo)
        self._config = config
        _logger.info("the settings were read again; new workers take over")
        return config


def _serve(
    config: Config,
    program: Program,
    sockets: list[socket.socket],
    announce: Callable[[], None],
) -> int:
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve_here(DrainingRunner(program, config), sockets, announce))
    except KeyboardInterrupt:
        return 130  # what a shell reports for an interrupted program
    return 0


async def _serve_here(
    runner: DrainingRunner, sockets: list[socket.socket], announce: Callable[[], None]
) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    numbers = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # else it was started with nohup
        numbers.append(signal.SIGHUP)

    def take(_signal: int) -> None:
        stop.set()
        for number in numbers:
            loop.remove_signal_handler(number)  # a second one ends the process at once

    for number in numbers:
        loop.add_signal_handler(number, take, number)
    try:
        await runner.setup()
        for one in sockets:
            await web.SockSite(runner, one).start()
        announce()
        await stop.wait()
        _logger.info("stopping: running answers have time to finish")
    finally:
        await runner.cleanup()


def _announcement(config: Config, listening: socket.socket) -> Callable[[], None]:
    """Return a function that logs the gateway's address, and with the demo what to try."""
    # Asked now: workers take the socket over before it is announced.
    base, api = _base(listening), _api(config.server, listening)

    def announce() -> None:
        _logger.info("listening on %s (host %s)", base, config.server.host)
        if wants_demo(config):
            sys.stdout.write(demo_help(base, api))
            sys.stdout.flush()

    return announce


def _base(listening: socket.socket) -> str:
    """Return the address by which this machine reaches a listening socket."""
    address, port = listening.getsockname()[:2]
    host = _ANY_HOSTS.get(address, address)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _api(server: ServerConfig, listening: socket.socket) -> str:
    """Return the base address of the API on a listening socket: `http://127.0.0.1:33333/v1`."""
    prefix = f"/{server.api_prefix}" if server.api_prefix else ""
    return f"{_base(listening)}{prefix}/v1"


def demo_help(console: str, api: str) -> str:
    """Return the first steps for a new user, shown with the demo."""
    chat = (
        f"{api}/chat/completions -H 'Authorization: Bearer demo'"
        " -H 'Content-Type: application/json' -d"
    )
    body = '"model":"gpt-4o","messages":[{"role":"user","content":"Hello"}]'
    return (
        "\nNo upstream is set, so the built-in demo answers. Try:\n\n"
        f"  curl {api}/models -H 'Authorization: Bearer demo'\n"
        f"  curl -N {chat} '{{\"stream\":true,{body}}}'\n"
        f"  curl {chat} '{{{body}}}'\n\n"
        f"or open {console}/ in a browser.\n\n"
    )
