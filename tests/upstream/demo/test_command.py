"""The demo upstream as a process of its own."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection

import pytest

pytestmark = pytest.mark.whole


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "upstream.demo", "--port", "0", *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process, process.stdout.readline()
        finally:
            process.kill()


def test_it_says_where_it_listens_and_a_signal_ends_it() -> None:
    with started() as (process, line):
        connection = HTTPConnection("127.0.0.1", int(line.rpartition(":")[2]), timeout=30)
        connection.request("GET", "/demo/stats")
        assert connection.getresponse().status == 200
        connection.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0


def test_it_ends_with_its_parent() -> None:
    with started("--exit-with-parent") as (process, line):
        assert line.startswith("demo upstream on http://127.0.0.1:")
        process.stdin.close()
        assert process.wait(timeout=30) == 0


def test_it_takes_who_a_codex_login_signs_in_and_how_that_ends() -> None:
    with started("--codex-account", "free-anna", "--codex-outcome", "denied") as (_, line):
        connection = HTTPConnection("127.0.0.1", int(line.rpartition(":")[2]), timeout=30)
        connection.request("POST", "/demo/codex/login", body="{}")
        choice = json.loads(connection.getresponse().read())
        assert choice == {"account": "free-anna", "outcome": "denied"}
        connection.close()
