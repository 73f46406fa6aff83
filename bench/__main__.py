"""Measures the gateway beside the floor and its rivals, and prints the table of goals.

    python -m bench [--quick | --crowd] [--rounds 3] [--only "v1 paced"] [--without textbook]
                    [--workers 1] [--record]

Every program is a process of its own. The measured one has one CPU, everything else another. The
programs take turns, with the floor before and after each, so that other load on the machine affects
both. At the end comes the table of goals, beside the figures that were committed last; `--record`
makes this run's figures the last ones. If BENCH_PEER_DIR names a virtual environment with LiteLLM, its proxy takes part (see
`bench/peers.py`). The exit status is 1 if the gateway lost a token.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from bench.goals import V1_LONG_BURST, figures_of, goals_table, last_figures, record
from bench.peers import peers
from bench.processes import TWO_WORKERS, Contestant, gateway, pin, rival, spare_cpus, stub
from bench.report import Round, lost, table
from bench.rest import at_rest
from bench.scenarios import CROWD, FULL, QUICK, Scenario, measured
from service.version import how_it_runs

_TURNS = 200_000  # of the loop that tells how fast this Python is


async def _play(
    scenario: Scenario, floor: Contestant, others: list[Contestant], count: int
) -> dict[str, list[Round]]:
    """Run some rounds of a scenario: each program in turn, the floor before and after it."""
    rounds: dict[str, list[Round]] = {one.name: [] for one in (floor, *others)}
    for number in range(1, count + 1):
        before = await measured(floor, scenario)
        for other in others:
            is_other = other.name == TWO_WORKERS and scenario.name != V1_LONG_BURST
            if is_other or not other.plays(scenario.load):
                continue
            sys.stderr.write(f"{scenario.name}: round {number} of {count}, {other.name}\n")
            figures = await measured(other, scenario)
            after = await measured(floor, scenario)
            rounds[other.name].append(Round(figures, (before, after)))
            rounds[floor.name].append(Round(after, ()))
            before = after
    return {name: played for name, played in rounds.items() if played}


async def _measure(options: argparse.Namespace) -> int:
    chosen = CROWD if options.crowd else QUICK if options.quick else FULL
    scenarios = [one for one in chosen if options.only in one.name]
    theirs, ours = spare_cpus()
    played: dict[str, dict[str, list[Round]]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream = stack.enter_context(stub(ours))
        rest = at_rest(upstream, folder) if chosen is FULL and not options.only else {}
        floor = stack.enter_context(rival("floor", upstream, theirs))
        others = [stack.enter_context(gateway(upstream, folder, theirs, options.workers))]
        if any(one.name == V1_LONG_BURST for one in scenarios):
            (place := folder / "two").mkdir()
            others.append(stack.enter_context(gateway(upstream, place, theirs, 2)))
            others[-1].name = TWO_WORKERS
        if "textbook" not in options.without:
            others.append(stack.enter_context(rival("textbook", upstream, theirs)))
        others += [stack.enter_context(peer) for peer in peers(upstream, theirs, folder)]
        pin(ours)
        print(_machine(), flush=True)
        for scenario in scenarios:
            rounds = played[scenario.name] = await _play(scenario, floor, others, options.rounds)
            print(table(scenario, rounds), flush=True)
    figures = figures_of(played) | {name: round(value, 3) for name, value in rest.items()}
    print(goals_table(figures, last_figures()), flush=True)
    if options.record:
        record(figures)
    return 1 if lost(rounds["gateway"] for rounds in played.values()) else 0


def _machine() -> str:
    names = {
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text("ascii").splitlines()
        if line.startswith("model name")
    }
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return (
        f"{now}, {os.cpu_count()} x {', '.join(sorted(names))}, {platform.system()}, "
        f"Python {platform.python_version()}, {how_it_runs()}, {_python_ns():.0f} ns a turn of a "
        f"loop; load {os.getloadavg()[0]:.1f} at the start. "
        "In brackets: the ratio to the floor beside it in time.\n"
    )


def _python_ns() -> float:
    """Return the nanoseconds of a few lines of Python, which tell an optimised build from another."""
    took: list[int] = []
    for _ in range(5):
        kept: dict[int, str] = {}
        began = time.process_time_ns()
        for number in range(_TURNS):
            kept[number % 100] = f"{number}x"
        took.append(time.process_time_ns() - began)
    return min(took) / _TURNS


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few small scenarios, one round")
    parser.add_argument("--crowd", action="store_true", help="5,000 streams; with --workers 2")
    parser.add_argument("--rounds", type=int, help="of each scenario; 3, or 1 with --quick")
    parser.add_argument("--only", default="", help="scenarios whose name holds this")
    parser.add_argument("--without", action="append", default=[], help="a rival to leave out")
    parser.add_argument("--record", action="store_true", help="keep the figures to compare with")
    parser.add_argument("--workers", type=int, default=1, help="of the gateway")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    sys.exit(uvloop.run(_measure(options)))


if __name__ == "__main__":
    main()
