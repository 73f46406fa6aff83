"""The built-in demo upstream as a child process, the settings that point at it, and its address.

Commands that sign in at the demo of a running gateway find it by a file:

    data/demo.json    {"demo": "http://127.0.0.1:41234", "gateway": "http://127.0.0.1:33333/v1",
                       "process": 4711}
"""

import logging
import os
import queue
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import IO

import msgspec
from msgspec import Struct

from service.settings.config import DEMO, NONE, Config, wants_codex_demo

_ROOT = Path(__file__).resolve().parents[2]  # where `upstream.demo` can be imported from
_COMMAND = (sys.executable, "-m", "upstream.demo", "--port", "0", "--exit-with-parent")
_READY = re.compile(r"demo upstream on (http://\S+)")
DEMO_FILE = Path("data") / "demo.json"
START_SECONDS = 30.0  # a first start compiles modules, perhaps on a slow disk
STOP_SECONDS = 5.0

_logger = logging.getLogger(__name__)


class DemoError(Exception):
    """The demo upstream did not start."""


@contextmanager
def demo_upstream() -> Iterator[str]:
    """Run the demo upstream; yield its address.

    It ends with the context, and also when this process dies, because its standard input is a pipe
    that closes then.

    Raises:
        DemoError: it did not print its address in time.
    """
    child = subprocess.Popen(  # noqa: S603 - our own module, by our own interpreter
        _COMMAND,
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for us: answers are drained before it ends
    )
    try:
        yield _address(child)
    finally:
        _stop(child)


def pointed_at(config: Config, address: str) -> Config:
    """Return the settings with the addresses of the demo in place of the real ones.

    This covers token services as well: no token for the demo may leave this machine. There is no
    proxy either, unless another upstream needs it.
    """
    is_website, is_codex = config.upstream.base_url == DEMO, wants_codex_demo(config)
    upstream = {"base_url": address} if is_website else {}
    is_all = (
        is_codex or not config.codex.base_url if is_website else config.upstream.base_url == NONE
    )
    if is_all:
        upstream["proxy"] = ""
    website = {
        "oaifree_url": f"{address}/api/auth/refresh",
        "openai_url": f"{address}/oauth/token",
    }
    tokens = {
        **(website if is_website else {}),
        **({"codex_url": f"{address}/oauth/token"} if is_codex else {}),
    }
    codex = {"base_url": f"{address}/backend-api/codex"} if is_codex else {}
    return config.model_copy(
        update={
            "upstream": config.upstream.model_copy(update=upstream),
            "codex": config.codex.model_copy(update=codex),
            "tokens": config.tokens.model_copy(update=tokens),
            "is_demo": is_website,
            "is_codex_demo": is_codex,
        }
    )


def _address(child: subprocess.Popen[str]) -> str:
    if child.stdout is None:
        raise DemoError("the demo upstream has no standard output")
    found: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(child.stdout, found), daemon=True).start()
    try:
        address = found.get(timeout=START_SECONDS)
    except queue.Empty:
        address = None
    if address is None:
        raise DemoError("the demo upstream did not start; its reason, if any, is above")
    _logger.info("the demo upstream is on %s", address)
    return address


def _read(output: IO[str], found: queue.SimpleQueue[str | None]) -> None:
    """Read the address, then go on reading, so that the child is never blocked while writing."""
    for line in output:
        if ready := _READY.search(line):
            found.put(ready[1])
    found.put(None)


def _stop(child: subprocess.Popen[str]) -> None:
    if child.stdin:
        child.stdin.close()
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    if child.stdout:
        child.stdout.close()


class RunningDemo(Struct, frozen=True):
    """The addresses of a demo and of the API of the gateway that runs it, and that process."""

    demo: str
    gateway: str
    process: int

    @property
    def is_running(self) -> bool:
        """Tell whether the gateway still runs; one that was killed has removed nothing."""
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True  # of another user
        return True


@contextmanager
def told(running: RunningDemo) -> Iterator[None]:
    """Keep the addresses in `data/demo.json` while the block runs; without a disk, log them only.

    Of several gateways in one directory the file names the latest, and after its end the one before.
    """
    before = told_demo()
    _tell(running)
    try:
        yield
    finally:
        if told_demo() == running:  # else a later gateway has written it
            if before is not None and before.is_running:
                _tell(before)
            else:
                with suppress(OSError):
                    DEMO_FILE.unlink(missing_ok=True)


def told_demo() -> RunningDemo | None:
    """Return the demo of the latest gateway in this directory, None if none runs."""
    try:
        running = msgspec.json.decode(DEMO_FILE.read_bytes(), type=RunningDemo)
    except (OSError, msgspec.DecodeError):
        return None
    return running if running.is_running else None


def _tell(running: RunningDemo) -> None:
    try:
        _write(running)
    except OSError as error:
        _logger.warning("%s cannot be written, so `login` finds no demo: %s", DEMO_FILE, error)


def _write(running: RunningDemo) -> None:
    DEMO_FILE.parent.mkdir(parents=True, exist_ok=True)
    temporary = DEMO_FILE.with_name(f".{DEMO_FILE.name}.{token_hex(8)}")
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(running) + b"\n")
        temporary.replace(DEMO_FILE)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
