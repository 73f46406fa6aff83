"""Calls for the tests of both stores, and what a log with them has to tell."""

import random
from collections import Counter
from collections.abc import Sequence

from msgspec import structs

from service.ledger.ports import CallStore
from service.vocabulary.credentials import UpstreamKind
from service.vocabulary.events import Outcome
from service.vocabulary.ledger.calls import (
    FIRST_TOKEN_MS,
    Call,
    CallFilter,
    Dialect,
    Group,
    Step,
    TotalsFilter,
)

NOW_MS = 1_796_040_000_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def made(number: int, seed: int = 0, within_ms: int = 3 * DAY_MS) -> list[Call]:
    """So many calls of the last days, in the order in which they ended."""
    chance = random.Random(seed)
    return [_call(chance, index, within_ms) for index in range(number)]


def _call(chance: random.Random, index: int, within_ms: int) -> Call:
    outcome = chance.choice([Outcome.COMPLETE] * 5 + [Outcome.CUT, Outcome.REFUSED, None])
    has_turn = outcome not in (None, Outcome.REFUSED)
    return Call(
        at_ms=NOW_MS - chance.randrange(within_ms),
        request_id=f"req_{index}",
        dialect=chance.choice(list(Dialect)),
        status=200 if has_turn else chance.choice([400, 401, 429]),
        total_ms=chance.randrange(90_000),
        bytes=chance.randrange(100_000),
        key=chance.choice(["bot", "phone", None]),
        account=chance.choice(["0123456789abcdef", None]),
        model=chance.choice(["gpt-4o", "模型 \x7f🙂", None]),
        upstream_model="gpt-4o-2" if has_turn else None,
        upstream=chance.choice([*UpstreamKind, None]),
        outcome=outcome,
        first_token_ms=chance.choice([0, 50, 51, 99_000, 700_000, None]) if has_turn else None,
        prompt_tokens=chance.randrange(5_000) if has_turn else None,
        completion_tokens=chance.randrange(5_000) if has_turn else None,
        cached_tokens=chance.randrange(100) if has_turn else None,
        reasoning_tokens=chance.randrange(100) if has_turn else None,
        is_estimated=chance.random() < 0.5,
        bodies=chance.choice([None, None, '{"answer": "words"}']),
    )


FILTERS = (
    CallFilter(),
    CallFilter(key="bot"),
    CallFilter(key="bot", outcome=Outcome.CUT),
    CallFilter(model="模型 \x7f🙂", upstream=UpstreamKind.CODEX),
    CallFilter(outcome=Outcome.REFUSED, status=401),
    CallFilter(account="0123456789abcdef", dialect=Dialect.IMAGES),
    CallFilter(status=429),
    CallFilter(since_ms=NOW_MS - DAY_MS),
    CallFilter(until_ms=NOW_MS - DAY_MS, key="phone"),
    CallFilter(since_ms=NOW_MS - 2 * DAY_MS, until_ms=NOW_MS - DAY_MS, status=200),
    CallFilter(key="no such key"),
)


def expected(calls: Sequence[Call], wanted: CallFilter) -> list[Call]:
    """The calls that a filter wants, the newest first; of one time, the last written first."""
    fields = {
        name: value
        for name, value in structs.asdict(wanted).items()
        if value is not None and not name.endswith("_ms")
    }
    chosen = [
        call
        for call in reversed(calls)
        if (wanted.since_ms is None or call.at_ms >= wanted.since_ms)
        and (wanted.until_ms is None or call.at_ms < wanted.until_ms)
        and all(getattr(call, name) == value for name, value in fields.items())
    ]
    return sorted(chosen, key=lambda call: -call.at_ms)


async def pages(store: CallStore, wanted: CallFilter, limit: int) -> list[Call]:
    """All calls of a filter, page by page."""
    found: list[Call] = []
    after = None
    while True:
        page = await store.page(wanted, limit, after)
        assert len(page.calls) <= limit
        found += page.calls
        if page.next is None:
            return found
        assert page.next != after
        after = page.next


async def check_totals(store: CallStore, calls: Sequence[Call]) -> None:
    """Compare all kinds of totals with sums over the calls themselves."""
    for step in Step:
        seconds = 3600 if step is Step.HOUR else 86_400
        for by in (None, *Group):
            wanted = TotalsFilter(
                since_ms=NOW_MS - 2 * DAY_MS, until_ms=NOW_MS, step=step, by=by, key="bot"
            )
            first = wanted.since_ms // 1000 // seconds * seconds
            chosen = [call for call in calls if call.key == "bot" and call.at_ms >= first * 1000]
            sums: dict[tuple[int, str], Counter[str]] = {}
            for call in chosen:
                place = call.at_ms // 1000 // seconds * seconds, _group(call, by)
                _add(sums.setdefault(place, Counter()), call)
            told = await store.totals(wanted)
            assert [(total.starts_at, total.group) for total in told] == sorted(sums)
            for total in told:
                values = {
                    **structs.asdict(total),
                    **{f"first_{at}": one for at, one in enumerate(total.first_token_counts)},
                }
                mine = sums[total.starts_at, total.group]
                assert {name: values[name] for name in mine if mine[name]} == {
                    name: number for name, number in mine.items() if number
                }
                assert total.first_tokens == sum(
                    number
                    for name, number in mine.items()
                    if name.startswith("first_") and name != "first_token_ms"
                )


def _group(call: Call, by: Group | None) -> str:
    return "" if by is None else getattr(call, by) or ""


def _add(sums: Counter[str], call: Call) -> None:
    sums["calls"] += 1
    for name in ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens"):
        sums[name] += getattr(call, name) or 0
    for name in ("bytes", "total_ms"):
        sums[name] += getattr(call, name)
    if call.first_token_ms is not None:
        sums["first_token_ms"] += call.first_token_ms
        bounds = [*FIRST_TOKEN_MS, float("inf")]
        sums[
            f"first_{next(at for at, up_to in enumerate(bounds) if call.first_token_ms <= up_to)}"
        ] += 1
