"""Several processes behind one socket."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.service.gateway_process import GatewayProcess

STUB = str(Path(__file__).with_name("stub_gateway.py"))

TWO = """
server: {host: 127.0.0.1, port: 0, workers: 2, drain_seconds: 5}
upstream: {base_url: 'http://a'}
"""


@pytest.fixture
def start(tmp_path):
    made = []

    def _start(settings: str) -> GatewayProcess:
        (tmp_path / "config.yaml").write_text(settings)
        made.append(GatewayProcess(tmp_path, STUB))
        return made[-1]

    yield _start
    for process in made:
        process.close()


def test_a_worker_that_dies_is_replaced(start):
    gateway = start(TWO)
    first = json.loads(gateway.get("/about"))["pid"]
    os.kill(first, signal.SIGKILL)
    end = time.monotonic() + 10
    seen = set()
    while len(seen - {first}) < 2 and time.monotonic() < end:
        try:
            seen.add(json.loads(gateway.get("/about"))["pid"])
        except OSError:
            time.sleep(0.05)
    assert len(seen - {first}) == 2
    assert gateway.stop() == 0


def test_all_workers_log_to_one_file(start, tmp_path):
    gateway = start(TWO)
    gateway.get("/about")
    gateway.stop()
    text = (tmp_path / "log" / "access.log").read_text()
    assert text.count("listening on http://127.0.0.1:") == 1


def test_a_signal_during_the_start_is_not_lost(start):
    gateway = start(TWO)
    gateway.address()
    began = time.monotonic()
    assert gateway.stop() == 0
    assert time.monotonic() - began < 10
