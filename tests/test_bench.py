"""The benchmark runs, loses nothing and prints its results; speed is not tested."""

import re
import subprocess
import sys

import pytest

from tests.service.program.gateway_process import ROOT


@pytest.mark.whole
def test_a_quick_run_measures_everybody_and_the_gateway_loses_no_token() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--quick"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    # Only the gateway reads what Codex's back end sends, beside the floor.
    for name, count in (("floor", 7), ("gateway", 7), ("textbook", 6)):
        lines = re.findall(rf"^\| {name} \|.*", done.stdout, re.MULTILINE)
        assert [line.split(" | ")[-2:] for line in lines] == [["0", "0 |"]] * count


def test_the_stages_are_measured_one_by_one() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.pipeline", "--tokens", "20", "--seconds", "0.01"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert len(done.stdout.splitlines()) == 4


@pytest.mark.whole
def test_what_is_dear_is_played_before_a_gateway_that_others_use() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.hostile", "--scenes", "fence", "refused", "uploads"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    fence, refused, uploads = done.stdout.splitlines()
    assert ": 400; /healthz " in fence
    assert ": 401; /healthz " in refused
    assert "40 times 401; the honest one: 200, then 200" in uploads
