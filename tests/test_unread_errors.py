"""A gateway whose standard error is a full pipe that is never read: it serves, and it ends."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.service.program.gateway_process import ROOT

TOKEN = "sk-gw-canary-0123456789abcdef"
ODD = (
    f'--x\r\nContent-Disposition: form-data; name="file"; {TOKEN} secret=1; filename="a.txt"\r\n\r\n'
    "hello\r\n--x--\r\n"
)


class Unread:
    """The gateway as a process; its log is read from the file."""

    def __init__(self, folder: Path, workers: int) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.log = folder / "log" / "access.log"
        self.reading, writing = os.pipe()
        environ = {
            "PYTHONPATH": str(ROOT),
            "GATEWAY_SERVER__HOST": "127.0.0.1",
            "GATEWAY_SERVER__PORT": str(self.port),
            "GATEWAY_SERVER__WORKERS": str(workers),
            "GATEWAY_SERVER__DRAIN_SECONDS": "1",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "service"],
            cwd=folder,
            env={**os.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=writing,
        )
        self._fill(writing)
        os.close(writing)

    @staticmethod
    def _fill(descriptor: int) -> None:
        """Fill the rest of the pipe."""
        os.set_blocking(descriptor, False)
        try:
            while True:
                os.write(descriptor, b".")
        except BlockingIOError:
            os.set_blocking(descriptor, True)

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request(method, path, body, named)
            with connection.getresponse() as response:
                response.read()
                return response.status

    def start(self) -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                self.ask("GET", "/healthz")
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("it did not start")


@pytest.fixture(params=[1, 2], ids=["one process", "two workers"])
def unread(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Unread]:
    made = Unread(tmp_path, request.param)
    yield made
    made.process.kill()
    made.process.wait()
    os.close(made.reading)


@pytest.mark.whole
def test_it_serves_logs_to_the_file_and_ends_in_time(unread: Unread) -> None:
    unread.start()
    for _ in range(20):
        form = {"Content_Type": "multipart/form-data; boundary=x", "Authorization": "Bearer fk-1"}
        assert unread.ask("POST", "/v1/files", ODD, **form) in (200, 400)
        assert unread.ask("GET", "/nowhere") == 404
    unread.process.send_signal(signal.SIGTERM)
    assert unread.process.wait(60) == 0
    log = unread.log.read_text()
    assert log.count("404") >= 20, "the file has what standard error could not take"
    assert "BadContentDisposition" in log
    assert TOKEN not in log
