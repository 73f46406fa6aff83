"""Several processes behind one socket."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.service.program.gateway_process import GatewayProcess, fetch

pytestmark = pytest.mark.whole
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
    end = time.monotonic() + 30
    seen = set()
    while len(seen - {first}) < 2 and time.monotonic() < end:
        try:
            seen.add(json.loads(gateway.get("/about"))["pid"])
        except OSError:
            time.sleep(0.05)
    assert len(seen - {first}) == 2
    assert gateway.stop() == 0


def get_continually(address: str, stopped: threading.Event, failures: list[str]) -> None:
    while not stopped.wait(0.005):  # a pause, else these threads take what the gateway needs
        try:
            assert fetch(f"{address}/about").status == 200
        except OSError as error:
            failures.append(repr(error))


@contextmanager
def load_on(gateway: GatewayProcess) -> Iterator[list[str]]:
    """Send requests during the block, each over a connection of its own; yield the failures."""
    stopped, failures = threading.Event(), []
    arguments = (gateway.address(), stopped, failures)
    threads = [threading.Thread(target=get_continually, args=arguments) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield failures
    finally:
        stopped.set()
        for thread in threads:
            thread.join()


def pids_of(gateway: GatewayProcess) -> set[int]:
    return {json.loads(gateway.get("/about"))["pid"] for _ in range(10)}


def both_of(gateway: GatewayProcess) -> set[int]:
    """The workers, once both are there."""
    seen: set[int] = set()

    def are_there() -> bool:
        seen.update(pids_of(gateway))
        return len(seen) == 2

    wait_until(are_there)
    return seen


def wait_until(is_true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_reload_under_load_loses_nothing_and_reads_the_settings_again(start, tmp_path):
    gateway = start(TWO)
    before = both_of(gateway)
    with load_on(gateway) as failures:
        running = fetch(f"{gateway.address()}/slow?tenths=20")
        (tmp_path / "config.yaml").write_text(TWO.replace("http://a", "http://b"))
        gateway.process.send_signal(signal.SIGHUP)
        assert running.read() == b"." * 20 + b"end"
        wait_until(lambda: not pids_of(gateway) & before)
        assert json.loads(gateway.get("/about"))["base_url"] == "http://b"
    assert failures == []
    assert gateway.stop() == 0


def test_a_reload_of_bad_settings_changes_nothing(start, tmp_path):
    gateway = start(TWO)
    before = both_of(gateway)
    (tmp_path / "config.yaml").write_text(TWO.replace("base_url", "base_urn"))
    gateway.process.send_signal(signal.SIGHUP)
    wait_until(lambda: not pids_of(gateway) & before)
    assert json.loads(gateway.get("/about"))["base_url"] == "http://a"
    assert "upstream.base_urn" in gateway.error
    assert gateway.stop() == 0


def children_of(pid: int) -> set[int]:
    return {int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def test_the_old_workers_serve_until_the_new_ones_are_ready(start, tmp_path):
    gateway = start(TWO)
    before = both_of(gateway)
    (tmp_path / "slow-start").touch()
    gateway.process.send_signal(signal.SIGHUP)
    wait_until((tmp_path / "starting").exists)
    assert {json.loads(gateway.get("/about"))["pid"] for _ in range(20)} <= before
    (tmp_path / "slow-start").unlink()
    wait_until(lambda: not pids_of(gateway) & before)
    assert gateway.stop() == 0


@pytest.mark.skipif(not Path("/proc").exists(), reason="it counts processes as Linux shows them")
def test_fifteen_reloads_in_a_row_are_two_and_no_request_is_lost(start, tmp_path):
    gateway = start(TWO)
    before, most = both_of(gateway), 0
    with load_on(gateway) as failures:
        (tmp_path / "slow-start").touch()
        for _ in range(15):
            gateway.process.send_signal(signal.SIGHUP)
            most = max(most, len(children_of(gateway.process.pid)))
            assert json.loads(gateway.get("/about"))["pid"] in before
        (tmp_path / "slow-start").unlink()
        wait_until(lambda: gateway.error.count("read again") == 2)
        wait_until(lambda: not pids_of(gateway) & before)
        wait_until(lambda: len(children_of(gateway.process.pid)) == 2)
    assert failures == []
    assert most <= 4, "two generations at once"
    assert gateway.error.count("read again") == 2
    assert gateway.stop() == 0


def test_new_workers_that_do_not_start_leave_the_old_ones_serving(start, tmp_path):
    gateway = start(TWO)
    before = both_of(gateway)
    (tmp_path / "broken").touch()
    gateway.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "new workers do not start" in gateway.error)
    (tmp_path / "broken").unlink()
    assert both_of(gateway) == before
    gateway.process.send_signal(signal.SIGHUP)
    wait_until(lambda: not pids_of(gateway) & before)
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
    assert gateway.stop() == 0
