"""Where the demo of a running gateway is, told to the commands that sign in at it.

    data/demo.json    {"demo": "http://127.0.0.1:41234", "gateway": "http://127.0.0.1:33333/v1"}
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

import msgspec
from msgspec import Struct

DEMO_FILE = Path("data") / "demo.json"

_logger = logging.getLogger(__name__)


class RunningDemo(Struct, frozen=True):
    """The addresses of a demo, and of the API of the gateway that runs it."""

    demo: str
    gateway: str


@contextmanager
def told(running: RunningDemo) -> Iterator[None]:
    """Keep the addresses in `data/demo.json` for the block; without a disk, in the log alone."""
    try:
        _write(running)
    except OSError as error:
        _logger.warning("%s cannot be written, so `login` finds no demo: %s", DEMO_FILE, error)
    try:
        yield
    finally:
        if found() == running:  # else another gateway was started here since
            with suppress(OSError):
                DEMO_FILE.unlink(missing_ok=True)


def found() -> RunningDemo | None:
    """Return the addresses that the last gateway told here, None if there is none."""
    try:
        return msgspec.json.decode(DEMO_FILE.read_bytes(), type=RunningDemo)
    except (OSError, msgspec.DecodeError):
        return None


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
