"""The scenarios of the table of goals, and how each is measured."""

import asyncio
from collections.abc import Sequence

from msgspec import Struct

from bench.answers import Play
from bench.load import Load, Results, run
from bench.processes import Contestant

EVENTS_PER_READ = 8  # events that a busy upstream sends at once
PACE_MICROSECONDS = 20_000
CROWD_PACE_MICROSECONDS = 2_000_000
WARM_TOKENS = 5


class Scenario(Struct, frozen=True):
    """A load with a name; `is_memory` measures the memory of an open stream too."""

    name: str
    load: Load
    is_memory: bool = False


class Figures(Struct, frozen=True):
    """The figures of one run, None where not measured; times in microseconds."""

    cpu_per_1000_tokens_ms: float
    cpu_per_request_ms: float
    requests_per_second: float
    first_token_p50: float
    first_token_p99: float
    age_p50: float
    age_p99: float
    lost_tokens: int
    failed: int
    memory_per_stream_kb: float | None
    peak_mb: float


def _burst(generation: str, tokens: int, streams: int, repeats: int) -> Load:
    """Return a load of an upstream that sends as fast as it can."""
    return Load(Play(generation, tokens, EVENTS_PER_READ, 0), streams, repeats)


def _steady(generation: str, tokens: int, repeats: int) -> Load:
    """Return a load of groups with pauses between them, so that nearly each is a read of its own."""
    return Load(Play(generation, tokens, EVENTS_PER_READ, 1000), 16, repeats)


def _paced(generation: str, tokens: int, streams: int, repeats: int = 1) -> Load:
    return Load(Play(generation, tokens, 1, PACE_MICROSECONDS), streams, repeats)


def _whole(tokens: int, repeats: int) -> Load:
    """Return a load of replies that are not streamed, though the upstream streams, as ever."""
    return Load(Play("v1", tokens, EVENTS_PER_READ, 0), 16, repeats, is_stream=False)


FULL = (
    Scenario("v1 burst, 200 tokens, 16 streams", _burst("v1", 200, 16, 100)),
    Scenario("v1 burst, 1000 tokens, 64 streams", _burst("v1", 1000, 64, 6)),
    Scenario("codex burst, 200 tokens, 16 streams", _burst("codex", 200, 16, 100)),
    Scenario("v0 burst, 200 tokens, 16 streams", _burst("v0", 200, 16, 60)),
    Scenario("v0 burst, 1000 tokens, 16 streams", _burst("v0", 1000, 16, 12)),
    Scenario("v1, 8 tokens each ms, 200 tokens, 16 streams", _steady("v1", 200, 40)),
    Scenario("v0, 8 tokens each ms, 1000 tokens, 16 streams", _steady("v0", 1000, 5)),
    Scenario("v1 paced, 200 tokens, 200 streams", _paced("v1", 200, 200)),
    Scenario("v0 paced, 200 tokens, 200 streams", _paced("v0", 200, 200)),
    Scenario("v1 paced, 5 tokens, 16 streams", _paced("v1", 5, 16, 40)),
    Scenario("whole replies, v1, 50 tokens, 16", _whole(50, 100)),
    Scenario("whole replies, v1, 200 tokens, 16", _whole(200, 100)),
    Scenario("v1 paced, 100 tokens, 1000 streams", _paced("v1", 100, 1000), is_memory=True),
)
# As many streams as two workers are to carry, paced so that stub and load generator can, too.
CROWD = (
    Scenario(
        "v1 paced, 20 tokens, 5000 streams",
        Load(Play("v1", 20, 1, CROWD_PACE_MICROSECONDS), 5000, 1),
        is_memory=True,
    ),
)
QUICK = (
    Scenario("v1 burst, 200 tokens, 16 streams", _burst("v1", 200, 16, 2)),
    Scenario("codex burst, 200 tokens, 16 streams", _burst("codex", 200, 16, 2)),
    Scenario("v0 burst, 200 tokens, 16 streams", _burst("v0", 200, 16, 2)),
    Scenario("v1 paced, 25 tokens, 50 streams", _paced("v1", 25, 50)),
    Scenario("v0 paced, 25 tokens, 50 streams", _paced("v0", 25, 50)),
    Scenario("whole replies, v1, 50 tokens, 16", _whole(50, 3)),
    Scenario("v1 paced, 50 tokens, 100 streams", _paced("v1", 50, 100), is_memory=True),
)


async def measured(contestant: Contestant, scenario: Scenario) -> Figures:
    """Run a scenario and return its figures; all callers are served once before, to warm up."""
    load = scenario.load
    play = Play(load.play.generation, WARM_TOKENS, WARM_TOKENS, 0)
    await run(contestant.target, Load(play, load.streams, 1, load.is_stream))
    await asyncio.sleep(0.2)  # so that work after the warm-up is not counted
    held = contestant.resident_bytes()
    contestant.forget_peak()
    open_bytes = 0

    async def look() -> None:
        nonlocal open_bytes
        middle = load.play.tokens * load.play.pause_microseconds / 2e6
        await asyncio.sleep(middle)
        open_bytes = contestant.resident_bytes() - held

    before = contestant.cpu_seconds()
    results = await run(contestant.target, load, look if scenario.is_memory else None)
    spent = contestant.cpu_seconds() - before
    memory = open_bytes / load.streams / 1024 if scenario.is_memory else None
    return _figures(load, results, spent, memory, contestant.resident_bytes("VmHWM"))


def _figures(
    load: Load, results: Results, spent: float, memory: float | None, peak: int
) -> Figures:
    return Figures(
        cpu_per_1000_tokens_ms=spent * 1e6 / load.tokens,
        cpu_per_request_ms=spent * 1e3 / load.requests,
        requests_per_second=load.requests / results.seconds,
        first_token_p50=quantile(results.first_token, 0.5),
        first_token_p99=quantile(results.first_token, 0.99),
        age_p50=quantile(results.age, 0.5),
        age_p99=quantile(results.age, 0.99),
        lost_tokens=load.tokens - results.tokens,
        failed=results.failed,
        memory_per_stream_kb=memory,
        peak_mb=peak / 1024 / 1024,
    )


def quantile(values: Sequence[float], part: float) -> float:
    """Return the value below which this part of the values lies; 0 without values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else 0.0
