"""Starts the programs to measure, each on a CPU of its own, and reads their CPU time and memory."""

import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.load import Load, Target

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60.0
GATEWAY, CODEX = "gateway", "codex"  # who alone reads this generation
TWO_WORKERS = "gateway, two workers"
_ADDRESS = re.compile(r"http://([\w.]+):(\d+)")
_SCHEDULED = 2  # the kernel's clock of a process that counts its time on a CPU, in nanoseconds


class Contestant:
    """A running program that answers callers."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], target: Target) -> None:
        self.name = name
        self.target = target
        self._pid = process.pid

    def plays(self, load: Load) -> bool:
        """Tell whether the program can read this load: some read one generation only."""
        if load.play.generation == CODEX:
            return self.name == GATEWAY
        return not self.target.generation or (load.is_stream and load.play.generation == "v1")

    def cpu_seconds(self) -> float:
        """Return the CPU time of the process tree so far."""
        return sum(time.clock_gettime((~pid << 3) | _SCHEDULED) for pid in self._pids())

    def resident_bytes(self, field: str = "VmRSS") -> int:
        """Return the resident memory of its processes, now or at its peak (`VmHWM`)."""
        return sum(resident(pid, field) for pid in self._pids())

    def proportional_bytes(self) -> int:
        """Return the memory that would be free without its processes (PSS)."""
        return sum(map(proportional, self._pids()))

    def forget_peak(self) -> None:
        """Reset the peak to the present size."""
        for pid in self._pids():
            forget_peak(pid)

    def _pids(self) -> list[int]:
        found = [self._pid]
        for pid in found:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                found += map(int, children.read_text("ascii").split())
        return found


def resident(pid: int, field: str) -> int:
    """Return VmRSS or VmHWM of a process, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    found = re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)
    assert found
    return int(found[1]) * 1024


def proportional(pid: int, part: str = "Pss") -> int:
    """Return the PSS of a process in bytes: the memory that its end would free.

    The part `Pss_Anon` leaves out the pages of files, whose share grows when another process ends.
    """
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
    found = re.search(rf"^{part}:\s+(\d+) kB", rollup, re.MULTILINE)
    assert found
    return int(found[1]) * 1024


def forget_peak(pid: int) -> None:
    """Reset the VmHWM of a process to its present size."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", "ascii")


def pin(cpu: int | None) -> None:
    """Keep this process, and those that it starts later, on one CPU."""
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})


def spare_cpus() -> tuple[int | None, int | None]:
    """Return the CPU of the measured program and that of the rest, None if there is only one."""
    cpus = sorted(os.sched_getaffinity(0))
    return (cpus[0], cpus[1]) if len(cpus) > 1 else (None, None)


@contextmanager
def stub(cpu: int | None) -> Iterator[str]:
    """Run the stub upstream; the value is its address."""
    with _running([sys.executable, "-m", "bench.stub"], cpu) as (_, address):
        yield address


@contextmanager
def rival(name: str, upstream: str, cpu: int | None) -> Iterator[Contestant]:
    """Run one of `bench.rivals`."""
    command = [sys.executable, "-m", "bench.rivals", name, upstream]
    with _running(command, cpu) as (process, address):
        yield Contestant(name, process, _target(address, passes_through=name == "floor"))


@contextmanager
def gateway(
    upstream: str,
    folder: Path,
    cpu: int | None = None,
    workers: int = 1,
    prefix: Sequence[str] = (),
) -> Iterator[Contestant]:
    """Run the gateway in its own `folder` as its users do, with all defaults.

    `prefix` is the beginning of its command: a program that executes the rest.
    """
    said = folder / "stderr.txt"
    environ = gateway_environ(upstream) | {"GATEWAY_SERVER__WORKERS": str(workers)}
    with said.open("wb") as error:
        process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "service"],
            cwd=folder,
            env=environ,
            stderr=error,
            preexec_fn=lambda: pin(cpu),  # noqa: PLW1509 - no thread runs yet in this process
        )
    try:
        address = _announced(said, process)
        yield Contestant(GATEWAY, process, _target(address, passes_through=False))
    finally:
        process.terminate()
        process.wait()


def gateway_environ(upstream: str) -> dict[str, str]:
    """Return the environment of a gateway on loopback with this upstream."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "GATEWAY_SERVER__HOST": "127.0.0.1",
        "GATEWAY_SERVER__PORT": "0",
        "GATEWAY_SERVER__MAX_REQUESTS": "6000",  # of a process; the crowd is 5,000
        "GATEWAY_UPSTREAM__BASE_URL": upstream,
        "GATEWAY_FETCH__ALLOW_PRIVATE": "true",  # the files to fetch are on loopback too
        "GATEWAY_TOKENS__OAIFREE_URL": f"{upstream}/api/auth/refresh",
        "GATEWAY_CODEX__BASE_URL": f"{upstream}/backend-api/codex",
        "GATEWAY_TOKENS__CODEX_URL": f"{upstream}/oauth/token",
    }


@contextmanager
def _running(command: list[str], cpu: int | None) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run a program that prints its address and exits when its standard input ends."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        preexec_fn=lambda: pin(cpu),  # noqa: PLW1509 - no thread runs yet in this process
    )
    try:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], START_SECONDS)
        line = process.stdout.readline().decode() if ready else ""
        if not line:
            message = f"{command} did not start"
            raise RuntimeError(message)
        yield process, line.strip()
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


def _announced(said: Path, process: subprocess.Popen[bytes]) -> str:
    """Return the address that a gateway has logged as its own."""
    until = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        if found := re.search(r"listening on (http://\S+)", said.read_text("utf-8")):
            return found[1]
        time.sleep(0.02)
    message = f"the gateway did not start: {said.read_text('utf-8')}"
    raise RuntimeError(message)


def _target(address: str, *, passes_through: bool) -> Target:
    found = _ADDRESS.search(address)
    assert found
    return Target(found[1], int(found[2]), passes_through)
