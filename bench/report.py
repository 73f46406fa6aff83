"""The figures of a run as tables, with ratios to the floor just before and after it."""

from collections.abc import Callable, Iterable
from statistics import mean, median

from msgspec import Struct

from bench.scenarios import Figures, Scenario


class Round(Struct, frozen=True):
    """One program's figures, and those of the floor just before and after."""

    figures: Figures
    floors: tuple[Figures, ...]


_Value = Callable[[Figures], float]


def table(scenario: Scenario, rounds: dict[str, list[Round]]) -> str:
    """Return the table of one scenario: medians of the rounds, ratios to the floor in brackets."""
    columns = _columns(scenario)
    lines = [
        f"### {scenario.name}",
        "",
        f"| | {' | '.join(name for name, _, _ in columns)} |",
        f"| --- |{' --- |' * len(columns)}",
    ]
    for name, played in rounds.items():
        cells = [_cell(played, value, is_ratio=is_ratio) for _, value, is_ratio in columns]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def lost(rounds: Iterable[list[Round]]) -> int:
    """Return the number of lost tokens and failed answers."""
    return sum(one.figures.lost_tokens + one.figures.failed for played in rounds for one in played)


def _columns(scenario: Scenario) -> list[tuple[str, _Value, bool]]:
    """Return the name and value of each column, and whether its ratio to the floor is shown."""
    columns: list[tuple[str, _Value, bool]] = [
        ("CPU per 1000 tokens, ms", lambda f: f.cpu_per_1000_tokens_ms, True),
        ("per request, ms", lambda f: f.cpu_per_request_ms, True),
        ("requests/s", lambda f: f.requests_per_second, False),
        ("first token p50, ms", lambda f: f.first_token_p50 / 1000, False),
        ("p99", lambda f: f.first_token_p99 / 1000, False),
    ]
    if scenario.load.is_stream:
        columns += [
            ("token age p50, ms", lambda f: f.age_p50 / 1000, True),
            ("p99", lambda f: f.age_p99 / 1000, True),
        ]
    if scenario.is_memory:
        columns.append(("KB a stream", lambda f: f.memory_per_stream_kb or 0.0, False))
    return [
        *columns,
        ("peak, MB", lambda f: f.peak_mb, False),
        ("lost", lambda f: f.lost_tokens, False),
        ("failed", lambda f: f.failed, False),
    ]


def _cell(played: list[Round], value: _Value, *, is_ratio: bool) -> str:
    figure = median(value(one.figures) for one in played)
    shown = f"{figure:.0f}" if figure == int(figure) or figure >= 1000 else f"{figure:.2f}"
    if not is_ratio or not played[0].floors:
        return shown
    ratio = median(
        value(one.figures) / mean(value(floor) for floor in one.floors) for one in played
    )
    return f"{shown} ({ratio:.2f})"
