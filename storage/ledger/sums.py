"""The sums of calls by hour, which both stores keep beside the calls."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping
from operator import add
from typing import NamedTuple

from service.vocabulary.ledger.calls import (
    FIRST_TOKEN_MS,
    Call,
    CallTotal,
    Group,
    Step,
    TotalsFilter,
)

HOUR_SECONDS = 3600
_DAY_SECONDS = 24 * HOUR_SECONDS
# What is added up, in this order; after them come the counts of times to the first token.
FIELDS = (
    *("calls", "prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens"),
    *("bytes", "total_ms", "first_token_ms"),
)
COUNTS = tuple(f"first_{number}" for number in range(len(FIRST_TOKEN_MS) + 1))
NUMBERS = (*FIELDS, *COUNTS)


class Cell(NamedTuple):
    """What calls are told apart by: the hour, in seconds since 1970, and what totals group by."""

    hour: int
    key: str
    model: str
    outcome: str
    upstream: str


def cell_of(call: Call) -> Cell:
    """Return the cell of a call."""
    hour = call.at_ms // 1000 // HOUR_SECONDS * HOUR_SECONDS
    return Cell(hour, call.key or "", call.model or "", call.outcome or "", call.upstream or "")


def numbers_of(call: Call) -> list[int]:
    """Return the sums that a call adds to its cell."""
    counts = [0] * len(COUNTS)
    if call.first_token_ms is not None:
        counts[bisect_left(FIRST_TOKEN_MS, call.first_token_ms)] = 1
    return [
        1,
        *(call.prompt_tokens or 0, call.completion_tokens or 0),
        *(call.cached_tokens or 0, call.reasoning_tokens or 0),
        *(call.bytes, call.total_ms, call.first_token_ms or 0),
        *counts,
    ]


def summed(calls: Iterable[Call]) -> dict[Cell, list[int]]:
    """Return the sums of calls by cell."""
    numbers: defaultdict[Cell, list[list[int]]] = defaultdict(list)
    for call in calls:
        numbers[cell_of(call)].append(numbers_of(call))
    return {cell: list(map(sum, zip(*each, strict=True))) for cell, each in numbers.items()}


def hours_of(wanted: TotalsFilter) -> tuple[int, int]:
    """Return the first hour that is wanted and the first one that is not any more."""
    step = step_seconds(wanted.step)
    return (
        wanted.since_ms // 1000 // step * step,
        -(-wanted.until_ms // (1000 * HOUR_SECONDS)) * HOUR_SECONDS,
    )


def step_seconds(step: Step) -> int:
    """Return the length of a step."""
    return HOUR_SECONDS if step is Step.HOUR else _DAY_SECONDS


def totals(
    cells: Iterable[tuple[Cell, Iterable[int]]], wanted: TotalsFilter
) -> tuple[CallTotal, ...]:
    """Return the totals of cells, of which those that are not wanted are left out."""
    step, (first, last) = step_seconds(wanted.step), hours_of(wanted)
    sums: dict[tuple[int, str], list[int]] = {}
    for cell, numbers in cells:
        if first <= cell.hour < last and _is_wanted(cell, wanted):
            place = cell.hour // step * step, group_of(cell, wanted.by)
            sums[place] = list(map(add, sums[place], numbers)) if place in sums else list(numbers)
    return tuple(total_of(begin, group, sums[begin, group]) for begin, group in sorted(sums))


def group_of(cell: Cell, by: Group | None) -> str:
    """Return the name of the group that a cell is in."""
    value: str = "" if by is None else getattr(cell, by)
    return value


def total_of(starts_at: int, group: str, numbers: Iterable[int]) -> CallTotal:
    """Return the record of a sum, whose numbers are in the order of `NUMBERS`."""
    named: Mapping[str, int] = dict(zip(NUMBERS, numbers, strict=True))
    return CallTotal(
        starts_at=starts_at,
        group=group,
        **{name: named[name] for name in FIELDS},
        first_token_counts=tuple(named[name] for name in COUNTS),
    )


def _is_wanted(cell: Cell, wanted: TotalsFilter) -> bool:
    return (
        wanted.key in (None, cell.key)
        and wanted.model in (None, cell.model)
        and wanted.outcome in (None, cell.outcome)
    )
