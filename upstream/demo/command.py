"""The command line of the demo upstream."""

import argparse
import asyncio
import os
import signal
import sys
import threading
from typing import Any

from aiohttp import web
from msgspec.structs import asdict

from upstream.demo.app import make_demo_app
from upstream.demo.codex.login import OUTCOMES
from upstream.demo.ground.options import DemoOptions

SHUTDOWN_SECONDS = 0.5
"""Running answers are dropped at once, so little is left to wait for."""

_FLAGS: dict[str, dict[str, Any]] = {
    "access-seconds": {"type": float, "help": "life of issued access tokens"},
    "delay-seconds": {"type": float, "help": "pause between pieces of an answer"},
    "later-seconds": {"type": float, "help": "when a picture that comes later appears"},
    "rotate": {"action": "store_true", "help": "give a new refresh token with each access token"},
    "generation": {
        "choices": ("v0", "v1", "ask"),
        "help": "stream encoding; ask: v1 for those who ask for it",
    },
    "codex-account": {"help": "name whose words choose its plan"},
    "codex-outcome": {"choices": OUTCOMES, "help": "how logins end"},
    "codex-interval": {"help": "seconds, as text"},
    "crlf": {"dest": "is_crlf", "action": "store_true", "help": "end lines of streams with CRLF"},
}
"""One for each field of `DemoOptions`, which has the defaults."""


def main() -> None:
    """Serve until a signal, or until the parent is gone if so asked."""
    asyncio.run(_serve(_parser().parse_args()))


def _parser() -> argparse.ArgumentParser:
    told = "An upstream to try the gateway with."
    parser = argparse.ArgumentParser(prog="python -m upstream.demo", description=told)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9100, help="0 picks a free one")
    told = "exit when standard input ends"
    parser.add_argument("--exit-with-parent", action="store_true", help=told)
    for name, how in _FLAGS.items():
        parser.add_argument(f"--{name}", **how)
    parser.set_defaults(**asdict(DemoOptions()))
    return parser


async def _serve(arguments: argparse.Namespace) -> None:
    fields = DemoOptions.__struct_fields__
    options = DemoOptions(**{name: getattr(arguments, name) for name in fields})
    app = make_demo_app(options)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, arguments.host, arguments.port).start()
        port = runner.addresses[0][1]
        sys.stdout.write(f"demo upstream on http://{arguments.host}:{port}\n")
        sys.stdout.flush()
        await _told_to_stop(is_tied=arguments.exit_with_parent)
    finally:
        await runner.cleanup()


async def _told_to_stop(*, is_tied: bool) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if is_tied:
        # a daemon thread, since standard input may be of any kind, and a read of it never returns
        threading.Thread(target=_watch_input, args=(loop, stop), daemon=True).start()
    await stop.wait()


def _watch_input(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    while os.read(0, 4096):
        pass
    loop.call_soon_threadsafe(stop.set)
