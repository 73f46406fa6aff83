"""Measures the log of calls and the budgets: how fast they answer, and what they cost a request.

    python -m bench.calls [--calls 1000000] [--folder FOLDER] [--max-bytes 268435456]

It fills a log in SQLite with calls of 30 days, asks for pages and
for a day's totals, and lets the log be trimmed to its limit. Then it measures the CPU of putting a
call into the log, in the request and in the background together, and the round trips and the CPU of
a turn that is let in by a budget.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from handlers.edge.record import Record, _call_of
from service.ledger.budgets import HeldBudgets
from service.ledger.call_writer import CallWriter
from service.observing.metrics import Metrics
from service.vocabulary.credentials import Budgets, Credential, UpstreamKind
from service.vocabulary.events import Outcome
from service.vocabulary.ledger.calls import (
    Call,
    CallFilter,
    CallLimits,
    Dialect,
    Group,
    TotalsFilter,
)
from service.vocabulary.ledger.sent import note_sent
from service.vocabulary.rendered import TokenCounts
from storage.ledger.sqlite_calls import SqliteCalls
from storage.state.store import open_state

BATCH = 500
DAY_MS = 86_400_000
NOW_MS = 1_796_040_000_000
MIB = 1024 * 1024
MAX_SHARE = 0.03  # of the CPU of a short request
MAX_TRIPS = 1.01  # of a turn to the store


def call(chance: random.Random, at_ms: int) -> Call:
    """A call as a gateway of twenty keys and five models gets it."""
    outcome = Outcome.COMPLETE if chance.random() < 0.97 else chance.choice(list(Outcome))
    return Call(
        at_ms=at_ms,
        request_id=f"req_{chance.getrandbits(128):032x}",
        dialect=chance.choice(list(Dialect)),
        status=200,
        total_ms=chance.randrange(60_000),
        bytes=chance.randrange(60_000),
        key=f"key{chance.randrange(20):05}",
        account=f"{chance.randrange(5):016x}",
        model=chance.choice(["gpt-4o", "gpt-5", "gpt-5-codex", "o3", "gpt-4o-mini"]),
        upstream_model="gpt-5-2026-05-01",
        upstream=chance.choice(list(UpstreamKind)),
        outcome=outcome,
        first_token_ms=chance.randrange(9_000),
        prompt_tokens=chance.randrange(20_000),
        completion_tokens=chance.randrange(2_000),
        cached_tokens=chance.randrange(9_000),
        reasoning_tokens=chance.randrange(1_000),
    )


async def fill(log: SqliteCalls, number: int, days: int) -> float:
    """Write so many calls, spread evenly; return the CPU of one, in seconds."""
    chance, step = random.Random(number), days * DAY_MS / number
    cpu = 0.0
    for begin in range(0, number, BATCH):
        some = range(begin, min(number, begin + BATCH))
        calls = [call(chance, NOW_MS - int((number - at) * step)) for at in some]
        before = time.process_time()
        await log.write(calls)
        cpu += time.process_time() - before
    return cpu / number


async def timed(ask: Callable[[], Awaitable[object]], tries: int = 5) -> float:
    """Return the median time of a question, in milliseconds."""
    times = []
    for _ in range(tries):
        before = time.perf_counter()
        await ask()
        times.append(time.perf_counter() - before)
    return sorted(times)[tries // 2] * 1000


async def questions(log: SqliteCalls) -> list[tuple[str, float]]:
    """Return the time of each question, by its words."""
    filters = {
        "first page": CallFilter(),
        "first page of a key": CallFilter(key="key00007"),
        "first page of an outcome": CallFilter(outcome=Outcome.CUT),
        "first page of a key and a status that no call has": CallFilter(key="key00007", status=500),
        "first page of a status that no call has": CallFilter(status=500),
        "first page of a day three weeks ago": CallFilter(
            since_ms=NOW_MS - 22 * DAY_MS, until_ms=NOW_MS - 21 * DAY_MS
        ),
    }
    told = [
        (words, await timed(lambda wanted=wanted: log.page(wanted, 50)))  # type: ignore[misc]
        for words, wanted in filters.items()
    ]
    for by in (None, *Group):
        day = TotalsFilter(since_ms=NOW_MS - DAY_MS, until_ms=NOW_MS, by=by)
        words = f"a day's totals by hour{f' and {by}' if by else ''}"
        told.append((words, await timed(lambda day=day: log.totals(day))))  # type: ignore[misc]
    month = TotalsFilter(since_ms=NOW_MS - 30 * DAY_MS, until_ms=NOW_MS, by=Group.MODEL)
    told.append(("30 days' totals by hour and model", await timed(lambda: log.totals(month))))
    return told


def size_of(path: Path) -> int:
    """Return the bytes of a file of SQLite and what belongs to it."""
    return sum(part.stat().st_size for part in path.parent.glob(f"{path.name}*"))


async def cost_of_a_call(folder: Path, number: int = 20_000) -> float:
    """Return the CPU of making the record of a call, putting it into the log and writing it."""
    log = SqliteCalls(folder / "cost.db")
    writer = CallWriter(log, CallLimits(30, 1024 * MIB), Metrics())
    running, record = asyncio.ensure_future(writer.run()), Record("req_1", 0.0)
    record.outcome, record.upstream_model = Outcome.COMPLETE, "gpt-4o"
    record.usage, record.first_text_at = TokenCounts(1_000, 100, 0), 1.0
    before = time.process_time()
    for _ in range(0, number, BATCH):
        for _ in range(BATCH):
            record.credential = Credential("fk-a-token")
            writer.note(_call_of(record, Dialect.CHAT, 200, 2.0, 4_000))
        await asyncio.sleep(0.05)
    running.cancel()
    await asyncio.wait([running])
    await writer.close()
    await log.close()
    return (time.process_time() - before) / number


async def cost_of_a_turn(folder: Path, number: int = 5_000) -> tuple[float, float, float]:
    """Return round trips, CPU and waiting time of a turn with a budget, in seconds."""
    state = open_state(f"sqlite:{folder}/state.db", lambda _: None)
    steps = 0
    spend = state.spend

    async def counted(*arguments: object) -> object:
        nonlocal steps
        steps += 1
        return await spend(*arguments)  # type: ignore[arg-type]

    state.spend = counted  # type: ignore[assignment, method-assign]
    held = HeldBudgets(state)
    budgets = Budgets(requests_per_5_hours=10**6, tokens_per_month=10**9)
    credential = Credential("t", gateway_key="0" * 64, budgets=budgets)
    began, before = time.perf_counter(), time.process_time()
    for _ in range(number):
        async with held.turn(credential):
            note_sent()
        held.charge(credential, 100)
    cpu, wall = time.process_time() - before, time.perf_counter() - began
    await held.close()
    await state.close()
    return steps / number, cpu / number, wall / number


async def costs(options: argparse.Namespace, folder: Path) -> int:
    """Print what a call and a turn with a budget cost; return how many goals are missed."""
    cost = await cost_of_a_call(folder)
    share = cost / (options.request_ms / 1000)
    print(
        f"a call's way into the log: {cost * 1e6:.1f} us of CPU, batches and sums included: "
        f"{share:.1%} of a whole reply's {options.request_ms} ms (goal {MAX_SHARE:.0%})"
    )
    trips, turn, wall = await cost_of_a_turn(folder)
    print(
        f"a turn with a budget: {trips:.2f} round trips, {turn * 1e6:.0f} us of CPU, "
        f"{wall * 1e6:.0f} us until it is let in and charged"
    )
    return (share > MAX_SHARE) + (trips > MAX_TRIPS)


async def measure(options: argparse.Namespace, folder: Path) -> int:
    """Print all figures; return how many goals are missed."""
    log = SqliteCalls(folder / "calls.db", lambda: NOW_MS / 1000)
    cpu = await fill(log, options.calls, days=30)
    print(f"{options.calls:,} calls of 30 days: {size_of(folder / 'calls.db') / MIB:.0f} MiB")
    print(f"writing: {cpu * 1e6:.1f} us of CPU a call, in batches of {BATCH}")
    misses = 0
    for words, milliseconds in await questions(log):
        goal = 300 if "totals" in words else 100
        misses += milliseconds > goal
        print(f"{words}: {milliseconds:.1f} ms (goal {goal} ms)")
    limits = CallLimits(30, options.max_bytes)
    began = time.perf_counter()
    trimmed = await log.trim(limits)
    size = size_of(folder / "calls.db")
    misses += size > limits.max_bytes
    print(
        f"trimmed to {size / MIB:.0f} of {limits.max_bytes / MIB:.0f} MiB in "
        f"{time.perf_counter() - began:.1f} s: {trimmed.kept_calls:,} calls are left"
    )
    await log.close()
    return misses + await costs(options, folder)


def main() -> int:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m bench.calls", description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000, help="how many are in the log")
    parser.add_argument("--folder", type=Path, help="where the log is made; default: a new one")
    parser.add_argument("--max-bytes", type=int, default=128 * MIB, help="the limit to trim to")
    parser.add_argument(
        "--request-ms",
        type=float,
        default=0.80,
        help="CPU of a whole reply of 50 tokens, as `python -m bench` measures it",
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = options.folder or Path(made)
        return 1 if asyncio.run(measure(options, folder)) else 0


if __name__ == "__main__":
    sys.exit(main())
