"""A short soak: 20 seconds of all answers and faults leave nothing behind."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.whole
def test_some_seconds_of_everything_leave_nothing_behind() -> None:
    soak = subprocess.run(
        [sys.executable, "-m", "bench.soak", "--quick", "--callers", "3"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert soak.returncode == 0, soak.stdout + soak.stderr
    assert "0 problems" in soak.stdout
