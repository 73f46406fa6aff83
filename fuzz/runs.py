"""Runs of a target, each in a process of its own, and their figures."""

import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from fuzz import corpus, targets
from service.version import VERSION

INPUT_SECONDS = 20  # an input that takes longer is a finding
MEMORY_MB = 2048  # an input that needs more is a finding too
MAX_FINDINGS = 5  # of one run
_STATUS = re.compile(r"#(\d+)\s.*?cov: (\d+) ft: (\d+) corp: (\d+)/")
_NOISE = (
    "INFO:",
    "WARNING: Failed to find",
    "0x",
    "Base64:",
    "==",
    "SUMMARY:",
    "NEW_FUNC",
    "#",
    "Dictionary:",
    "WARNING: no interesting",
)


class Run(msgspec.Struct, frozen=True):
    """The figures of one run; `edges` is libFuzzer's `cov`, of instrumented code only."""

    target: str
    date: str
    seconds: float
    executions: int
    edges: int
    corpus: int
    found: int
    machine: str
    version: str = VERSION

    def append(self, path: Path) -> None:
        """Append the run to a file of runs."""
        with path.open("ab") as file:
            file.write(msgspec.json.encode(self) + b"\n")

    @classmethod
    def read(cls, path: Path) -> list["Run"]:
        """Return all runs of a file."""
        lines = path.read_bytes().splitlines() if path.exists() else []
        return [msgspec.json.decode(line, type=cls) for line in lines]


class Runner:
    """Fuzzes one target.

    Args:
        name: of the target.
        seeds: a folder for the inputs it starts with.
        work: where inputs and findings stay between runs.
        label: the beginning of the progress line.
    """

    def __init__(self, name: str, seeds: Path, work: Path, label: str) -> None:
        self._name = name
        self._seeds = seeds
        self._grown = work / "corpus" / name
        self._found = work / "found"
        self._words = seeds.with_suffix(".dict")
        self._label = label
        self._executions = self._before = self._edges = self._inputs = 0

    def run(self, seconds: float) -> Run:
        """Fuzz for so many seconds; a finding is kept and the fuzzer restarted."""
        corpus.write(self._seeds, corpus.inputs(self._name))
        self._grown.mkdir(parents=True, exist_ok=True)
        self._found.mkdir(parents=True, exist_ok=True)
        self._words.write_text(corpus.dictionary(self._name), "ascii")
        began, found = time.monotonic(), 0
        try:
            while (left := began + seconds - time.monotonic()) >= 1 and found < MAX_FINDINGS:
                found += self._once(left, began + seconds)
        finally:
            self._words.unlink()
        took = time.monotonic() - began
        self._show(took, found, end="\n")
        return Run(
            target=self._name,
            date=time.strftime("%Y-%m-%d", time.gmtime()),
            seconds=round(took, 1),
            executions=self._before + self._executions,
            edges=self._edges,
            corpus=self._inputs,
            found=found,
            machine=f"{os.cpu_count()} cores, {platform.machine()}, {platform.python_version()}",
        )

    def _once(self, seconds: float, until: float) -> bool:
        """Run the fuzzer once; return whether it found something."""
        self._before, self._executions = self._before + self._executions, 0
        command = [
            *(sys.executable, "-m", "fuzz.engine", self._name),
            f"-max_total_time={max(1, round(seconds))}",
            f"-max_len={targets.load(self._name).MAX_BYTES}",
            f"-artifact_prefix={self._found / self._name}-",
            f"-timeout={INPUT_SECONDS}",
            f"-rss_limit_mb={MEMORY_MB}",
            *([f"-dict={self._words}"] if targets.load(self._name).TOKENS else []),
            *(str(self._grown), str(self._seeds)),
        ]
        report = []
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        ) as process:
            for line in process.stdout or ():
                if status := _STATUS.match(line):
                    self._executions, self._edges = int(status[1]), int(status[2])
                    self._inputs = int(status[4])
                    self._show(seconds - (until - time.monotonic()), 0)
                elif not line.startswith(_NOISE):
                    report.append(line)
        if process.returncode:
            sys.stdout.write(f"\n{self._name}: status {process.returncode}\n{''.join(report)}")
        return bool(process.returncode)

    def _show(self, took: float, found: int, end: str = "") -> None:
        start = "\r" if sys.stdout.isatty() else ""
        if not start and not end:
            return
        text = (
            f"{self._label}: {self._before + self._executions:,} runs in {took:.0f} s, "
            f"{self._edges:,} edges, {self._inputs:,} inputs, found {found}"
        )
        sys.stdout.write(f"{start}{text:<78}{end}")
        sys.stdout.flush()


def table(runs: Iterable[Run]) -> str:
    """Return the figures by target, as Markdown."""
    by_target: dict[str, list[Run]] = {name: [] for name in targets.NAMES}
    for run in runs:
        by_target[run.target].append(run)
    lines = [
        "| target | runs | minutes | executions | edges | inputs | found |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    every = [each for several in by_target.values() for each in several]
    for name, several in [*by_target.items(), ("**all**", every)]:
        if several:
            figures = (
                len(several),
                f"{sum(each.seconds for each in several) / 60:.1f}",
                f"{sum(each.executions for each in several):,}",
                f"{max(each.edges for each in several):,}" if name in by_target else "",
                f"{several[-1].corpus:,}" if name in by_target else "",
                sum(each.found for each in several),
            )
            lines.append(f"| {name} | {' | '.join(map(str, figures))} |")
    machines = sorted({f"{run.date}, {run.machine}" for run in every})
    return "\n".join([*lines, "", *(f"{line}." for line in machines), ""])
