"""Sums of calls by hour."""

import pytest
from msgspec import structs

from service.vocabulary.ledger.calls import FIRST_TOKEN_MS, Group, TotalsFilter
from storage.ledger.sums import NUMBERS, cell_of, numbers_of, summed, totals
from tests.storage.ledger.calls import DAY_MS, NOW_MS, made


def test_the_sums_of_calls_are_those_of_their_parts() -> None:
    calls = made(300)
    whole = summed(calls)
    parts = [summed(calls[begin : begin + 7]) for begin in range(0, 300, 7)]
    assert {
        cell: [
            sum(numbers)
            for numbers in zip(*(one[cell] for one in parts if cell in one), strict=True)
        ]
        for cell in whole
    } == whole


@pytest.mark.parametrize(
    ("first_token_ms", "index"),
    [(None, None), (0, 0), (50, 0), (51, 1), (600_000, 12), (600_001, 13)],
)
def test_a_time_is_counted_below_its_bound(first_token_ms: int | None, index: int | None) -> None:
    call = structs.replace(made(1)[0], first_token_ms=first_token_ms)
    numbers = dict(zip(NUMBERS, numbers_of(call), strict=True))
    counted = [at for at in range(len(FIRST_TOKEN_MS) + 1) if numbers[f"first_{at}"]]
    assert counted == ([] if index is None else [index])


def test_totals_leave_out_what_is_not_wanted() -> None:
    calls = made(200)
    wanted = TotalsFilter(since_ms=NOW_MS - DAY_MS, until_ms=NOW_MS, by=Group.KEY, model="gpt-4o")
    told = totals(((cell_of(call), numbers_of(call)) for call in calls), wanted)
    first = wanted.since_ms // 3_600_000 * 3_600_000
    chosen = [call for call in calls if call.model == "gpt-4o" and call.at_ms >= first]
    assert sum(total.calls for total in told) == len(chosen)
    assert {total.group for total in told} == {call.key or "" for call in chosen}
