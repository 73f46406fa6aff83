"""The demo upstream as a process of its own."""

import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager


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
        base = line.removeprefix("demo upstream on ").strip()
        with urllib.request.urlopen(f"{base}/demo/stats", timeout=5) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=3) == 0


def test_it_ends_with_its_parent() -> None:
    with started("--exit-with-parent") as (process, line):
        assert line.startswith("demo upstream on http://127.0.0.1:")
        process.stdin.close()
        assert process.wait(timeout=3) == 0
