"""The command line of the demo upstream."""

import argparse
import asyncio
import os
import signal
import sys
import threading

from aiohttp import web

from upstream.demo.app import make_demo_app
from upstream.demo.codex.login import OUTCOMES
from upstream.demo.ground.options import DemoOptions

SHUTDOWN_SECONDS = 0.5
"""Running answers are dropped at once, so little is left to wait for."""

_SECONDS = {
    "access-seconds": "life of issued access tokens",
    "delay-seconds": "pause between pieces of an answer",
    "later-seconds": "when a picture that comes later appears",
}


def main() -> None:
    """Serve until a signal, or until the parent is gone if so asked."""
    arguments = _parser().parse_args()
    asyncio.run(_serve(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m upstream.demo", description="An upstream to try the gateway with."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9100, help="0 picks a free one")
    parser.add_argument(
        "--exit-with-parent", action="store_true", help="exit when standard input ends"
    )
    for name, shown in _SECONDS.items():
        default = getattr(DemoOptions(), name.replace("-", "_"))
        parser.add_argument(f"--{name}", type=float, default=default, help=shown)
    parser.add_argument(
        "--rotate", action="store_true", help="give a new refresh token with each access token"
    )
    parser.add_argument(
        "--generation",
        choices=("v0", "v1", "ask"),
        default="ask",
        help="stream encoding; ask: v1 for those who ask for it",
    )
    codex = DemoOptions()
    parser.add_argument(
        "--codex-account", default=codex.codex_account, help="name whose words choose its plan"
    )
    parser.add_argument(
        "--codex-outcome", choices=OUTCOMES, default=codex.codex_outcome, help="how logins end"
    )
    parser.add_argument("--codex-interval", default=codex.codex_interval, help="seconds, as text")
    parser.add_argument("--crlf", action="store_true", help="end lines of streams with CRLF")
    return parser


async def _serve(arguments: argparse.Namespace) -> None:
    options = DemoOptions(
        access_seconds=arguments.access_seconds,
        rotate=arguments.rotate,
        delay_seconds=arguments.delay_seconds,
        later_seconds=arguments.later_seconds,
        generation=arguments.generation,
        is_crlf=arguments.crlf,
        codex_account=arguments.codex_account,
        codex_outcome=arguments.codex_outcome,
        codex_interval=arguments.codex_interval,
    )
    runner = web.AppRunner(
        make_demo_app(options), access_log=None, shutdown_timeout=SHUTDOWN_SECONDS
    )
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
