"""The goals of the gateway's speed, and how far a run meets them.

Each row is one figure of a run: a ratio to the floor beside it in time, or a plain number. A figure
that the run did not measure has no value. `figures.json` has the figures that were committed last.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean, median

from msgspec import Struct

from bench.processes import TWO_WORKERS
from bench.report import Round
from bench.scenarios import Figures

# The rounds of each program, by the scenario's name.
Played = Mapping[str, Mapping[str, Sequence[Round]]]
_Value = Callable[[Figures], float]
_GATEWAY, _FLOOR, _TEXTBOOK, _LITELLM = "gateway", "floor", "textbook", "litellm"
_LAST = Path(__file__).parent / "figures.json"

V1_BURST = "v1 burst, 200 tokens, 16 streams"
V1_LONG_BURST = "v1 burst, 1000 tokens, 64 streams"
CODEX_BURST = "codex burst, 200 tokens, 16 streams"
V0_BURST = "v0 burst, 200 tokens, 16 streams"
V0_LONG_BURST = "v0 burst, 1000 tokens, 16 streams"
V1_PACED = "v1 paced, 200 tokens, 200 streams"
V0_PACED = "v0 paced, 200 tokens, 200 streams"
SHORT = "v1 paced, 5 tokens, 16 streams"
SHORT_WHOLE = "whole replies, v1, 50 tokens, 16"
WHOLE = "whole replies, v1, 200 tokens, 16"
V1_STEADY = "v1, 8 tokens each ms, 200 tokens, 16 streams"
V0_STEADY = "v0, 8 tokens each ms, 1000 tokens, 16 streams"
MANY = "v1 paced, 100 tokens, 1000 streams"
REST = "memory at rest (PSS), one process"
REST_WORKER = "the same, each further worker"
START = "start until it listens"


class Goal(Struct, frozen=True):
    """One row: its figure is met when it is at most, or at least, the limit; None: no goal."""

    figure: str
    limit: float | None
    value: Callable[[Played], float | None]
    is_least: bool = False
    unit: str = ""

    def is_met(self, value: float) -> bool:
        """Tell whether a figure is within the limit."""
        if self.limit is None:
            return True
        return value >= self.limit if self.is_least else value <= self.limit


def _cpu(figures: Figures) -> float:
    return figures.cpu_per_1000_tokens_ms


def _request(figures: Figures) -> float:
    return figures.cpu_per_request_ms


def _median(played: Played, scenario: str, program: str, value: _Value) -> float | None:
    rounds = played.get(scenario, {}).get(program, ())
    return median(value(one.figures) for one in rounds) if rounds else None


def _ratio(scenario: str, value: _Value) -> Callable[[Played], float | None]:
    """Return the figure of the gateway as a ratio to the floor just before and after it."""

    def found(played: Played) -> float | None:
        rounds = played.get(scenario, {}).get(_GATEWAY, ())
        ratios = [value(one.figures) / mean(value(floor) for floor in one.floors) for one in rounds]
        return median(ratios) if ratios else None

    return found


def _plain(scenario: str, value: _Value) -> Callable[[Played], float | None]:
    return lambda played: _median(played, scenario, _GATEWAY, value)


def _added(scenario: str, value: _Value) -> Callable[[Played], float | None]:
    """Return a function for the difference between the gateway's figure and the floor's."""

    def found(played: Played) -> float | None:
        ours = _median(played, scenario, _GATEWAY, value)
        floor = _median(played, scenario, _FLOOR, value)
        return None if ours is None or floor is None else ours - floor

    return found


def _against(rival: str, scenario: str) -> Callable[[Played], float | None]:
    """Return a function for the ratio of a rival's CPU per token to the gateway's."""

    def found(played: Played) -> float | None:
        ours = _median(played, scenario, _GATEWAY, _cpu)
        theirs = _median(played, scenario, rival, _cpu)
        return None if ours is None or theirs is None else theirs / ours

    return found


def _growth(played: Played) -> float | None:
    long = _median(played, V0_LONG_BURST, _GATEWAY, _cpu)
    short = _median(played, V0_BURST, _GATEWAY, _cpu)
    return None if long is None or short is None else long / short


def _codex(played: Played) -> float | None:
    codex = _median(played, CODEX_BURST, _GATEWAY, _cpu)
    website = _median(played, V1_BURST, _GATEWAY, _cpu)
    return None if codex is None or website is None else codex / website


def _workers(played: Played) -> float | None:
    two = _median(played, V1_LONG_BURST, TWO_WORKERS, _cpu)
    one = _median(played, V1_LONG_BURST, _GATEWAY, _cpu)
    return None if two is None or one is None else two / one


def _at_rest(_: Played) -> None:
    """Measured by `bench.rest`, and not by a scenario."""


GOALS_AT_REST = (
    Goal(REST, 80.0, _at_rest, unit="MiB"),
    Goal(REST_WORKER, 35.0, _at_rest, unit="MiB"),
    Goal(START, 1.0, _at_rest, unit="s"),
)
GOALS = (
    Goal("CPU of a token, v1 paced, 200 streams", 1.0, _ratio(V1_PACED, _cpu), unit="x floor"),
    Goal("CPU of a token, v0 paced, 200 streams", 1.2, _ratio(V0_PACED, _cpu), unit="x floor"),
    Goal("CPU of a token, v1 burst, 16 streams", 2.0, _ratio(V1_BURST, _cpu), unit="x floor"),
    Goal("CPU of a token, v1 burst, 64 streams", 2.0, _ratio(V1_LONG_BURST, _cpu), unit="x floor"),
    Goal("CPU of a token, v0 burst of 200", 1.3, _ratio(V0_BURST, _cpu), unit="x floor"),
    Goal("CPU of a token, v0 burst of 1000", 1.0, _ratio(V0_LONG_BURST, _cpu), unit="x floor"),
    Goal("CPU of a whole reply of 200 tokens", 2.0, _ratio(WHOLE, _request), unit="x floor"),
    Goal("CPU of a whole reply of 50 tokens", 3.0, _ratio(SHORT_WHOLE, _request), unit="x floor"),
    Goal("CPU of a token, v1, 8 each ms, 200", None, _ratio(V1_STEADY, _cpu), unit="x floor"),
    Goal("CPU of a token, v0, 8 each ms, 1000", None, _ratio(V0_STEADY, _cpu), unit="x floor"),
    Goal("token age p50, v1 paced", 1.5, _ratio(V1_PACED, lambda f: f.age_p50), unit="x floor"),
    Goal("token age p99, v1 paced", 25.0, _plain(V1_PACED, lambda f: f.age_p99 / 1e3), unit="ms"),
    Goal(
        *("first token p99, 200 at once", 2.0, _ratio(V1_PACED, lambda f: f.first_token_p99)),
        unit="x floor",
    ),
    Goal(
        *("first token p99 added, 16 streams", 2.0),
        _added(SHORT, lambda f: f.first_token_p99 / 1e3),
        unit="ms",
    ),
    Goal("1,000 paced streams: lost tokens", 0.0, _plain(MANY, lambda f: f.lost_tokens)),
    Goal("1,000 paced streams: failed requests", 0.0, _plain(MANY, lambda f: f.failed)),
    Goal(
        *("memory of a stream at 1,000", 40.0),
        _plain(MANY, lambda f: f.memory_per_stream_kb or 0.0),
        unit="KB",
    ),
    *GOALS_AT_REST,
    Goal("v0, a token at 1000 against one at 200", 1.5, _growth, unit="x"),
    Goal("CPU of a token, two workers", 1.1, _workers, unit="x one"),
    Goal("Codex's stream against the website's, burst", None, _codex, unit="x"),
    Goal("textbook in bursts", 10.0, _against(_TEXTBOOK, V1_BURST), is_least=True, unit="x ours"),
    Goal("textbook paced", 1.4, _against(_TEXTBOOK, V1_PACED), is_least=True, unit="x ours"),
    Goal("LiteLLM in bursts", 100.0, _against(_LITELLM, V1_BURST), is_least=True, unit="x ours"),
    Goal("LiteLLM paced", 10.0, _against(_LITELLM, V1_PACED), is_least=True, unit="x ours"),
)


def figures_of(played: Played) -> dict[str, float]:
    """Return the figures that a run has measured, by their rows."""
    found = {goal.figure: goal.value(played) for goal in GOALS}
    return {figure: round(value, 3) for figure, value in found.items() if value is not None}


def last_figures() -> dict[str, float]:
    """Return the figures that were committed last."""
    figures: dict[str, float] = json.loads(_LAST.read_text("utf-8")) if _LAST.exists() else {}
    return figures


def record(figures: Mapping[str, float]) -> None:
    """Make these the figures that later runs are compared with; others stay."""
    _LAST.write_text(json.dumps({**last_figures(), **figures}, indent=2) + "\n", "utf-8")


def goals_table(
    figures: Mapping[str, float], last: Mapping[str, float], goals: Sequence[Goal] = GOALS
) -> str:
    """Return the table of goals."""
    lines = ["| figure | now | goal | met | last |", "| --- | --- | --- | --- | --- |"]
    for goal in goals:
        value, before = figures.get(goal.figure), last.get(goal.figure)
        now = "not measured" if value is None else f"{value:.2f} {goal.unit}".strip()
        side = "at least" if goal.is_least else "at most"
        limit = "" if goal.limit is None else f"{side} {goal.limit:g}"
        met = "" if value is None or goal.limit is None else "yes" if goal.is_met(value) else "no"
        lines.append(
            f"| {goal.figure} | {now} | {limit} | {met} | {'' if before is None else before} |"
        )
    return "\n".join([*lines, ""])
