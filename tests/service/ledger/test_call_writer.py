"""Calls on their way into the log, whatever the store does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from service.ledger import call_writer
from service.ledger.call_writer import CallWriter
from service.observing.metrics import Metrics
from service.vocabulary.ledger.calls import Call, CallLimits, Dialect
from service.vocabulary.rendered import TokenCounts
from tests.ledger import CallMemory

LIMITS = CallLimits(30, 1 << 30)


def call(number: int, bodies: str | None = None) -> Call:
    return Call(
        at_ms=number,
        request_id=str(number),
        dialect=Dialect.CHAT,
        status=200,
        total_ms=1,
        bytes=1,
        bodies=bodies,
    )


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_writer, "GATHER_SECONDS", 0.0)
    monkeypatch.setattr(call_writer, "PAUSE_SECONDS", 0.0)


@pytest.fixture
def store() -> CallMemory:
    return CallMemory()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def writer(store: CallMemory, metrics: Metrics) -> CallWriter:
    return CallWriter(store, LIMITS, metrics)  # type: ignore[arg-type]  # only its writing half


@asynccontextmanager
async def running(writer: CallWriter) -> AsyncIterator[None]:
    task = asyncio.ensure_future(writer.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        await writer.close()


async def until(store: CallMemory, number: int) -> None:
    """Wait until the store has so many calls."""
    async with asyncio.timeout(30), store.news:
        await store.news.wait_for(lambda: len(store.ids) >= number)


def lost(metrics: Metrics, reason: str = "store") -> float:
    found = metrics.registry.get_sample_value("gateway_calls_lost_total", {"reason": reason})
    return found or 0.0


async def test_calls_are_written_in_their_order_and_in_batches(
    writer: CallWriter, store: CallMemory
) -> None:
    for number in range(1_200):
        writer.note(call(number))
    assert store.batches == []  # a request never writes itself
    async with running(writer):
        await until(store, 1_200)
    assert store.ids == [str(number) for number in range(1_200)]
    assert [len(batch) for batch in store.batches] == [500, 500, 200]


async def test_calls_wait_for_a_store_that_fails_and_none_is_written_twice(
    writer: CallWriter, store: CallMemory, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    store.is_full = True
    async with running(writer):
        for number in range(3):
            writer.note(call(number))
            await asyncio.sleep(0.01)
        assert store.ids == []
        store.is_full = False
        await until(store, 3)
    assert store.ids == ["0", "1", "2"]
    assert lost(metrics) == 0
    assert caplog.text.count("calls cannot be written") == 1


@pytest.mark.parametrize("bodies", [None, "x" * 1_000])
async def test_what_waits_is_bounded_and_the_rest_is_lost_and_counted(
    store: CallMemory, metrics: Metrics, monkeypatch: pytest.MonkeyPatch, bodies: str | None
) -> None:
    if bodies is None:
        monkeypatch.setattr(call_writer, "MAX_WAITING", 10)
    else:
        monkeypatch.setattr(call_writer, "MAX_WAITING_BYTES", 10 * 1_500)
    writer = CallWriter(store, LIMITS, metrics)  # type: ignore[arg-type]  # only its writing half
    store.is_full = True
    for number in range(25):
        writer.note(call(number, bodies))
    assert lost(metrics) == 15
    store.is_full = False
    async with running(writer):
        await until(store, 10)
        for number in range(25, 35):
            writer.note(call(number, bodies))
    assert lost(metrics) == 15  # room again
    assert len(store.ids) == 20


async def test_at_the_end_what_cannot_be_written_is_counted(
    writer: CallWriter, store: CallMemory, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    store.is_full = True
    async with running(writer):
        for number in range(7):
            writer.note(call(number))
    assert lost(metrics) == 7
    assert "7 calls are lost" in caplog.text


async def test_a_store_that_hangs_delays_the_end_by_a_bounded_time(
    writer: CallWriter, store: CallMemory, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_writer, "CLOSE_SECONDS", 0.05)
    store.gate.clear()
    async with asyncio.timeout(30), running(writer):
        writer.note(call(1))
        await asyncio.sleep(0.01)
        writer.note(call(2))
    assert lost(metrics) == 1
    store.gate.set()


async def test_of_callers_whom_nobody_knows_few_calls_are_kept(
    writer: CallWriter, store: CallMemory, metrics: Metrics
) -> None:
    async with running(writer):
        for number in range(500):
            writer.note(call(number), is_known=False)
        writer.note(call(500))
    assert len(store.ids) == call_writer.UNKNOWN_A_MINUTE + 1
    assert store.ids[-1] == "500"
    assert lost(metrics, "unknown_caller") == 500 - call_writer.UNKNOWN_A_MINUTE


async def test_tokens_of_an_answer_that_was_cut_are_counted_later(
    writer: CallWriter, store: CallMemory
) -> None:
    async def counted() -> TokenCounts:
        return TokenCounts(3, 4, 1)

    async def broken() -> None:
        raise ZeroDivisionError

    async def unknown() -> None:
        return None

    async with running(writer):
        for number, count in enumerate((counted, broken, unknown)):
            writer.note(call(number), count)
        await until(store, 3)
    known, *others = (each for batch in store.batches for each in batch)
    assert (known.prompt_tokens, known.completion_tokens, known.is_estimated) == (3, 4, True)
    assert [each.prompt_tokens for each in others] == [None, None]


async def test_the_log_is_looked_through_at_times_and_after_much(
    store: CallMemory, metrics: Metrics
) -> None:
    writer = CallWriter(store, CallLimits(30, 2_500_000), metrics)  # type: ignore[arg-type]  # only its writing half
    async with running(writer):
        for number in range(10):
            writer.note(call(number))
            await until(store, number + 1)
        assert store.trims == 1
        for number in range(10, 200):
            writer.note(call(number))
        await until(store, 200)
    assert store.trims == 2
    sample = metrics.registry.get_sample_value
    assert sample("gateway_calls_kept") == 200
    assert sample("gateway_calls_bytes") == 1000
    assert sample("gateway_calls_removed_total") == 2
