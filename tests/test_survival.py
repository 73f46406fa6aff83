"""One gateway, never restarted, while all that it needs breaks and comes back (spec 10 to 12).

Callers ask all the time, streamed and whole, with access and refresh tokens, and each answer has to
be the one to its question; a long answer is open across each fault. Only what a fault makes
impossible may fail, and with the right error. Afterwards the process is the same one and holds what
it held before, `/metrics` has counted each answer by its outcome, and the log has each warning once
a minute at most, however many requests it concerned.

The upstream is gone for `SURVIVAL_GONE_SECONDS` (4 unless set); bench/RESULTS.md has a whole
minute:

    SURVIVAL_GONE_SECONDS=60 python -m pytest -s tests/test_survival.py
"""

import asyncio
import os
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager
from functools import partial

import pytest
import pytest_asyncio

from service.observing.log_files import RETRY_SECONDS
from tests.faults.surroundings import CLOCK_SECONDS, fake_clock, full, killed, moved
from tests.gateway import until
from tests.redis_server import RedisServer, running_redis
from tests.survival import Asked, Survivor, surviving
from tests.test_cluster import figure

GONE_SECONDS = float(os.environ.get("SURVIVAL_GONE_SECONDS", "4"))
NO_ROOM = "Error: The file could not be stored: this server has no room for it"

pytestmark = [
    pytest.mark.whole,
    pytest.mark.needs_redis,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(fake_clock() is None, reason="faketime is not installed"),
]


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def survivor(
    redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Survivor]:
    """Return the one gateway of this module."""
    async with surviving(tmp_path_factory.mktemp("survivor"), redis.url) as survivor:
        yield survivor


@asynccontextmanager
async def in_thread(fault: AbstractContextManager[None]) -> AsyncIterator[None]:
    """Break something in a thread, while the callers go on."""
    await asyncio.to_thread(fault.__enter__)
    try:
        yield
    finally:
        await asyncio.to_thread(fault.__exit__, None, None, None)


def problems(asked: list[Asked]) -> list[str]:
    """Return the questions that were not answered as they should be."""
    return [one.told for one in asked if not one.is_answered]


async def test_the_state_store_is_killed_and_comes_back(
    survivor: Survivor, redis: RedisServer
) -> None:
    def failures() -> int:
        return figure(survivor.address, "gateway_state_failures_total")

    played = await survivor.played(lambda: in_thread(killed(redis)), 1.5)
    assert problems([*played.asked, played.long]) == []
    assert played.long.fate.ended_at > played.ended
    assert await asyncio.to_thread(failures) > 0
    assert [words for words in survivor.warnings() if "the state store failed" in words]
    print(f"\nstate store killed: {played.figures()}")
    await survivor.assert_as_before()


@asynccontextmanager
async def gone(survivor: Survivor) -> AsyncIterator[None]:
    survivor.gate.shut()
    try:
        yield
    finally:
        await survivor.gate.open()


async def test_the_upstream_is_gone_and_comes_back(survivor: Survivor) -> None:
    """Requests meanwhile get a 502 after the retries, which clients may try again."""
    played = await survivor.played(partial(gone, survivor), GONE_SECONDS)
    assert problems([*played.afterwards(), played.long]) == []
    assert played.long.fate.ended_at > played.ended
    refused = [one for one in played.asked if not one.is_answered]
    assert len(refused) > GONE_SECONDS
    for one in refused:
        assert (one.fate.status, one.code) == (502, "upstream_error"), one.told
        assert one.fate.headers.get("x-should-retry") != "false"
        assert one.fate.ended_at > played.began
    assert [words for words in survivor.warnings() if "Connection to the upstream" in words]
    print(f"\nupstream gone: {played.figures()}")
    await survivor.assert_as_before()


@asynccontextmanager
async def broken_off(survivor: Survivor) -> AsyncIterator[None]:
    async with gone(survivor):
        survivor.gate.reset()
        yield


async def test_the_upstream_dies_with_all_that_was_open(survivor: Survivor) -> None:
    """Open answers end as cut, with the text that came; the rest is as above."""
    played = await survivor.played(partial(broken_off, survivor), 1.0)
    assert played.long.code == "upstream_cut"
    text = played.long.fate.answer.text
    assert text
    assert played.long.wanted.startswith(text)
    assert problems(played.afterwards()) == []
    assert {one.code for one in played.asked} <= {"", "upstream_error", "upstream_cut"}
    assert problems([one for one in played.asked if not one.code]) == []
    assert all(one.fate.ended_at > played.began for one in played.asked if one.code)
    print(f"\nupstream died: {played.figures()}")
    await survivor.assert_as_before()


async def test_the_directory_of_the_log_is_removed(survivor: Survivor) -> None:
    log = survivor.folder / "log" / "access.log"

    @asynccontextmanager
    async def removed() -> AsyncIterator[None]:
        shutil.rmtree(log.parent)
        yield
        await until(log.exists, seconds=3 * RETRY_SECONDS)

    assert log.exists()
    before = len(survivor.process.error)
    played = await survivor.played(removed, RETRY_SECONDS)
    assert problems([*played.asked, played.long]) == []

    def said() -> int:
        return survivor.process.error[before:].count(" INFO gateway.access: POST ")

    await until(lambda: said() == len(played.asked) + 1)
    await until(lambda: log.read_text().count("gateway.access: POST "))
    assert [words for words in survivor.warnings() if "cannot write to" in words]
    print(f"\nlog directory removed: {played.figures()}")
    await survivor.assert_as_before()


async def test_the_disk_is_full_and_has_room_again(survivor: Survivor) -> None:
    @asynccontextmanager
    async def filled() -> AsyncIterator[None]:
        with full(survivor.folder, survivor.watched.pid):
            yield
            texts.append(await survivor.draw())

    texts: list[str] = []
    played = await survivor.played(filled, 0.5, others=Counter(complete=1))
    assert problems([*played.asked, played.long]) == []
    assert NO_ROOM in texts[0]
    text = await survivor.draw()
    assert "![image](" in text
    assert NO_ROOM not in text
    print(f"\ndisk full: {played.figures()}")
    await survivor.assert_as_before()


async def test_the_clock_is_set_ahead_by_a_day_and_back(survivor: Survivor) -> None:
    """The access tokens in use expire by the gateway's clock, and are renewed."""

    def renewed() -> int:
        return figure(survivor.address, 'gateway_token_refreshes_total{result="ok"}')

    before = await asyncio.to_thread(renewed)
    fault = moved("+1d", survivor.folder, survivor.watched.pid)
    played = await survivor.played(lambda: in_thread(fault), 0.5, settled=2 * CLOCK_SECONDS)
    assert problems([*played.asked, played.long]) == []
    assert played.long.fate.ended_at > played.ended
    count = await asyncio.to_thread(renewed) - before
    assert count >= 2
    assert time.strftime("%Y-%m-%d", time.localtime(time.time() + 86400)) in survivor.process.error
    print(f"\nclock a day ahead: {played.figures()}, {count} tokens renewed")
    await survivor.assert_as_before()
