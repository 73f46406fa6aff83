"""Metrics that processes share: added up while they live, and kept when they are gone."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.observing.metrics import Metrics
from service.observing.shared_metrics import forget_worker, is_shared, shared_metrics
from tests.service.program.gateway_process import ROOT, GatewayProcess, fetch

FOLDER = "PROMETHEUS_MULTIPROC_DIR"

# A worker: counts what it is told, one word a line, and answers each with a dot.
WORKER = """
import sys
from service.observing.metrics import Metrics
metrics = Metrics()
for line in sys.stdin:
    match line.split():
        case ["count", number]:
            metrics.outcomes.labels("cut").inc(int(number))
            metrics.overhead_seconds.observe(0.02)
        case ["open", number]:
            metrics.open_streams.inc(int(number))
        case ["store", size]:
            metrics.store_bytes.labels("blobs").set(int(size))
    print(".", flush=True)
"""


class Worker:
    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def told(self, words: str) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{words}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == ".\n"

    def die(self) -> int:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        return self.process.pid


@pytest.fixture
def workers() -> Iterator[Callable[[], Worker]]:
    made: list[Worker] = []

    def start() -> Worker:
        made.append(Worker())
        return made[-1]

    with shared_metrics():
        yield start
        for worker in made:
            if worker.process.returncode is None:
                worker.die()


async def shown() -> str:
    return (await Metrics().exposition()).decode()


def names_of_files() -> set[str]:
    return {path.name for path in Path(os.environ[FOLDER]).iterdir()}


@pytest.mark.whole
async def test_counters_and_gauges_of_all_processes_are_added_up(
    workers: Callable[[], Worker],
) -> None:
    one, other = workers(), workers()
    for worker, number in ((one, 3), (other, 4)):
        worker.told(f"count {number}")
        worker.told(f"open {number}")
    text = await shown()
    assert 'gateway_outcomes_total{outcome="cut"} 7.0' in text
    assert "gateway_open_streams 7.0" in text
    assert 'gateway_overhead_seconds_bucket{le="0.025"} 2.0' in text
    assert "gateway_overhead_seconds_count 2.0" in text


@pytest.mark.whole
async def test_a_process_that_is_gone_keeps_its_totals_and_loses_its_gauges(
    workers: Callable[[], Worker],
) -> None:
    stays = workers()
    stays.told("count 1")
    stays.told("open 1")
    for _ in range(3):
        leaves = workers()
        leaves.told("count 2")
        leaves.told("open 2")
        forget_worker(leaves.die())
    text = await shown()
    assert 'gateway_outcomes_total{outcome="cut"} 7.0' in text
    assert 'gateway_overhead_seconds_bucket{le="+Inf"} 4.0' in text
    assert "gateway_open_streams 1.0" in text
    files = names_of_files()
    assert {f"counter_{stays.process.pid}.db", "counter_0.db", "histogram_0.db"} <= files
    mine = f"_{os.getpid()}.db"
    assert len([name for name in files if name.startswith("counter") and mine not in name]) == 2


@pytest.mark.whole
async def test_what_all_processes_see_is_not_added_up(workers: Callable[[], Worker]) -> None:
    one, other = workers(), workers()
    one.told("store 500")
    other.told("store 400")
    assert 'gateway_store_bytes{store="blobs"} 400.0' in await shown()


def test_nothing_is_left_behind_when_the_sharing_ends() -> None:
    assert not is_shared()
    with shared_metrics():
        assert is_shared()
        folder = Path(os.environ[FOLDER])
        assert folder.is_dir()
    assert not is_shared()
    assert not folder.exists()
    assert FOLDER not in os.environ
    forget_worker(1)  # nothing is shared, so there is nothing to do


async def test_without_a_place_for_files_each_process_counts_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    with shared_metrics():
        assert not is_shared()
        assert "gateway_open_streams 0.0" in await shown()
    assert "each worker has figures of its own" in caplog.text


SETTINGS = """
server: {host: 127.0.0.1, port: 0, workers: 2, drain_seconds: 1}
upstream: {base_url: 'http://127.0.0.1:9'}
"""


def total_of_healthz(text: str) -> int:
    line = 'gateway_requests_total{route="/healthz",status="200"} '
    return int(float((text.partition(line)[2] or "0").split()[0]))


@pytest.mark.whole
def test_two_workers_show_what_both_have_counted_also_after_one_has_died(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(SETTINGS)
    gateway = GatewayProcess(tmp_path, "-m", "service")
    try:
        pids: set[int] = set()
        asked = 0
        while len(pids) < 2 or asked < 20:
            assert fetch(f"{gateway.address()}/healthz").status == 200
            asked += 1
            verbose = fetch(f"{gateway.address()}/readyz?verbose&exclude=upstream").read()
            pids.add(int(verbose.partition(b'"process":')[2].split(b",")[0]))
            assert asked < 500
        for _ in range(10):  # whichever worker answers
            assert total_of_healthz(gateway.get("/metrics").decode()) == asked
        os.kill(min(pids), signal.SIGKILL)
        wait_until_answered_by_another(gateway, pids)
        for _ in range(10):
            assert total_of_healthz(gateway.get("/metrics").decode()) == asked
        assert gateway.stop() == 0
    finally:
        gateway.close()


def wait_until_answered_by_another(gateway: GatewayProcess, known: set[int]) -> None:
    """Wait for the worker that replaces the killed one."""
    end = time.monotonic() + 40
    while True:
        assert time.monotonic() < end
        try:
            verbose = gateway.get("/readyz?verbose&exclude=upstream")
        except OSError:
            continue
        pid = int(verbose.partition(b'"process":')[2].split(b",")[0])
        if pid not in known:
            return
