"""A gateway as a process of its own, for tests that start and stop one."""

import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# Programs that reach loopback alone need no authorities; to read those of a system takes each 50 ms.
NO_AUTHORITIES = {"SSL_CERT_FILE": os.devnull, "SSL_CERT_DIR": os.devnull}
_LISTENING = re.compile(r"listening on (http://\S+)")


def fetch(address: str) -> http.client.HTTPResponse:
    """Return the response once its head has arrived."""
    host, slash, path = address.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=20)
    connection.request("GET", slash + path or "/", headers={"Connection": "close"})
    return connection.getresponse()


@contextmanager
def paused(pid: int, seconds: float = 30) -> Iterator[None]:
    """Stop a process for the block.

    The block begins once it has stopped: a system call that the signal interrupts ends first, so a
    worker within `accept` would take one more connection, and leave its caller without an answer.
    """
    end = time.monotonic() + seconds
    os.kill(pid, signal.SIGSTOP)
    try:
        while _state_of(pid) != "T":
            assert time.monotonic() < end, f"process {pid} does not stop"
            time.sleep(0.001)
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _state_of(pid: int) -> str:
    """Return the letter of a process's state, as in `17 (python) T 1 17 ...`."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]


class GatewayProcess:
    """A process in its own directory; its standard error is read for the address.

    `before` is a command that starts the gateway, for example in another network.
    """

    def __init__(
        self, folder: Path, *command: str, before: tuple[str, ...] = (), **environ: str
    ) -> None:
        self._error = folder / "stderr.txt"
        self._output = folder / "stdout.txt"
        with self._error.open("wb") as error, self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [*before, sys.executable, *command],
                cwd=folder,
                env={**os.environ, **NO_AUTHORITIES, "PYTHONPATH": str(ROOT), **environ},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=error,
            )

    @property
    def error(self) -> str:
        return self._error.read_text()

    @property
    def output(self) -> str:
        return self._output.read_text()

    def address(self, seconds: float = 40) -> str:
        """Wait until it listens, and return its address."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            if found := _LISTENING.search(self.error):
                return found[1]
            time.sleep(0.05)
        message = f"the gateway did not start: {self.error}"
        raise AssertionError(message)

    def get(self, path: str) -> bytes:
        return fetch(self.address() + path).read()

    def stop(self, number: int = signal.SIGTERM, seconds: float = 30) -> int:
        """Send the signal and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(seconds)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
