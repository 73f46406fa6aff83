"""A copy of this checkout in which commands are typed, with an up-to-date environment.

The files are links, so nothing is copied, and what commands write stays in the copy. Programs
listen on free ports of loopback, set by the environment as users would set them.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path

import pytest

from tests.documents import ROOT
from tests.service.program.gateway_process import NO_AUTHORITIES

STARTING_SECONDS, ENDING_SECONDS = 40, 30
_WRITTEN = ("data", "log", ".venv", ".git", "config.yaml", "gpts.yaml")
_CLIENTS = (f".for-clients-{place}" for place in ("sdk2", "sdk3", "aider", "node"))
_STAMPS = (".for-uv", ".for-run", ".for-tests", *_CLIENTS)
GATEWAY_LISTENS = re.compile(r"listening on (http://127\.0\.0\.1:\d+) \(host")


class Started:
    """A program that listens; `said` is all that it has written."""

    def __init__(
        self, process: subprocess.Popen[bytes], said: Path, listens: re.Pattern[str]
    ) -> None:
        self.process = process
        self._said = said
        self._listens = listens

    @property
    def said(self) -> str:
        return self._said.read_text("utf-8")

    @cached_property
    def address(self) -> str:
        """The address at which it listens, once it says so."""
        end = time.monotonic() + STARTING_SECONDS
        while not (found := self._listens.search(self.said)):
            assert self.process.poll() is None, self.said
            assert time.monotonic() < end, self.said
            time.sleep(0.02)
        return found[1]


class Checkout:
    """A folder with the whole repository; `.venv` is the environment of this test run.

    Its time stamps are new, so that make finds nothing to install.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for path in ROOT.iterdir():
            if path.name not in _WRITTEN and not path.name.endswith("_cache"):
                (folder / path.name).symlink_to(path)
        for name in ("config.yaml", "gpts.yaml"):
            (folder / name).write_bytes((ROOT / name).read_bytes())
        (folder / ".venv").mkdir()
        for path in Path(sys.prefix).iterdir():
            if path.name not in _STAMPS:
                (folder / ".venv" / path.name).symlink_to(path)
        for name in _STAMPS:
            (folder / ".venv" / name).touch()
        # The variables of the make that runs the tests are not passed on to commands in them.
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("MAKE") and name not in ("ARGS", "JOBS")
        }
        self.environ = {
            **clean,
            **NO_AUTHORITIES,
            "PATH": f"{folder}/.venv/bin:{os.environ['PATH']}",
            "GATEWAY_SERVER__HOST": "127.0.0.1",
            "GATEWAY_SERVER__PORT": "0",
            "GATEWAY_SERVER__DRAIN_SECONDS": "1",
            "no_proxy": "127.0.0.1",
            "PIP_NO_INDEX": "1",
            "PIP_DRY_RUN": "1",
        }

    def run(self, command: str, given: str = "", **environ: str) -> str:
        """Type a command and its input; return its output.

        Raises:
            AssertionError: it failed.
        """
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=self.folder,
            env={**self.environ, **environ},
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    @contextmanager
    def started(
        self, command: str, listens: re.Pattern[str] = GATEWAY_LISTENS, **environ: str
    ) -> Iterator[Started]:
        """Type a command that runs until the end of the block."""
        said = self.folder / f"said-{time.monotonic_ns()}.txt"
        with said.open("wb") as output:
            process = subprocess.Popen(
                ["sh", "-c", command],
                cwd=self.folder,
                env={**self.environ, "PYTHONUNBUFFERED": "1", **environ},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        started = Started(process, said, listens)
        try:
            yield started
            assert process.poll() is None, started.said
        finally:
            _end(process)
        assert "Traceback" not in started.said, started.said


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop all processes that the command started, and wait until none is left."""
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(ENDING_SECONDS)
    end = time.monotonic() + ENDING_SECONDS
    with suppress(ProcessLookupError):
        while time.monotonic() < end:
            os.killpg(process.pid, 0)
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        pytest.fail("the program does not stop")
