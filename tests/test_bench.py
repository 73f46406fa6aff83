"""The benchmark runs, loses nothing and prints its results; speed is not tested."""

import re
import subprocess
import sys

import pytest

from bench.goals import GOALS, V1_BURST, figures_of, goals_table
from bench.report import Round
from bench.scenarios import Figures
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
    assert re.search(
        r"^\| CPU of a token, v1 burst, 16 streams \| \d+\.\d\d x floor \|",
        done.stdout,
        re.MULTILINE,
    )
    # Only the gateway reads what Codex's back end sends, beside the floor.
    for name, count in (("floor", 7), ("gateway", 7), ("textbook", 6)):
        lines = re.findall(rf"^\| {name} \|.*", done.stdout, re.MULTILINE)
        assert [line.split(" | ")[-2:] for line in lines] == [["0", "0 |"]] * count


def test_a_goal_is_met_within_its_limit_and_what_was_not_measured_says_so() -> None:
    paced, textbook = GOALS[0], next(goal for goal in GOALS if goal.is_least)
    assert [paced.is_met(value) for value in (0.9, 1.0, 1.1)] == [True, True, False]
    assert [textbook.is_met(value) for value in (9, 10, 11)] == [False, True, True]
    table = goals_table({paced.figure: 1.25}, {paced.figure: 1.5}).splitlines()
    assert table[2] == f"| {paced.figure} | 1.25 x floor | at most 1 | no | 1.5 |"
    assert all("| not measured |" in line for line in table[3:])
    assert len(table) == 2 + len(GOALS)


def test_figures_are_ratios_to_the_floor_beside_them() -> None:
    def figures(cpu: float) -> Figures:
        return Figures(cpu, cpu / 5, 1, 1, 1, 1, 1, 0, 0, None, 1)

    floors = (figures(2.0), figures(4.0))
    rounds = {
        "gateway": [Round(figures(6.0), floors), Round(figures(9.0), floors)],
        "textbook": [Round(figures(30.0), floors)],
    }
    found = figures_of({V1_BURST: rounds})
    assert found["CPU of a token, v1 burst, 16 streams"] == 2.5
    assert found["textbook in bursts"] == 4.0
    assert "CPU of a token, v1 paced, 200 streams" not in found


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
def test_the_log_of_calls_is_measured() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.calls", "--calls", "2000", "--max-bytes", "16777216"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert "2,000 calls of 30 days" in done.stdout, done.stderr
    assert "trimmed to" in done.stdout
    assert "a turn with a budget: 1.00 round trips" in done.stdout


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
