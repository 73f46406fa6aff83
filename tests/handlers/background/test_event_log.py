import asyncio
from contextlib import suppress

import pytest

from handlers.background import event_log
from handlers.background.event_log import EventLog
from service.turns.kept_events import EventPart


class Kept:
    """A store of parts that can fail, before or after it has stored one."""

    def __init__(self) -> None:
        self.parts: dict[int, EventPart] = {}
        self.fails: list[bool] = []  # of the next calls: whether the part is stored all the same

    async def add(self, number: int, part: EventPart) -> bool:
        is_failing = bool(self.fails)
        if not is_failing or self.fails.pop(0):
            self.parts[number] = part
        await asyncio.sleep(0)
        return not is_failing

    @property
    def frames(self) -> bytes:
        return b"".join(self.parts[number].frames for number in sorted(self.parts))


@pytest.fixture
def kept() -> Kept:
    return Kept()


async def run_for(log: EventLog, rounds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "PAUSE_SECONDS", 0)
    task = asyncio.ensure_future(log.run())
    for _ in range(rounds):
        await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_everything_is_kept_in_order_with_the_end_last(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = EventLog(kept)  # type: ignore[arg-type]
    log.add(b"a\n\n")
    log.add(b"b\n\n")
    await run_for(log, 5, monkeypatch)
    log.add(b"c\n\n")
    await log.end(b"d\n\n")
    assert kept.parts == {
        0: EventPart(b"a\n\nb\n\n"),
        1: EventPart(b"c\n\n"),
        2: EventPart(b"d\n\n", is_last=True),
    }


@pytest.mark.parametrize("is_stored", [False, True])
async def test_a_part_that_a_failing_store_may_have_is_sent_again_unchanged(
    kept: Kept, is_stored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = EventLog(kept)  # type: ignore[arg-type]
    kept.fails = [is_stored]
    log.add(b"a\n\n")
    await run_for(log, 2, monkeypatch)
    log.add(b"b\n\n")
    await log.end(b"c\n\n")
    assert kept.parts[0] == EventPart(b"a\n\n")
    assert kept.frames == b"a\n\nb\n\nc\n\n"


async def test_a_run_that_is_cancelled_while_it_keeps_loses_and_doubles_nothing(kept: Kept) -> None:
    for rounds in range(1, 6):
        kept.parts.clear()
        log = EventLog(kept)  # type: ignore[arg-type]
        log.add(b"a\n\n")
        task = asyncio.ensure_future(log.run())
        for _ in range(rounds):
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        log.add(b"b\n\n")
        await log.end(b"c\n\n")
        assert kept.frames == b"a\n\nb\n\nc\n\n"


async def test_what_waits_for_a_dead_store_is_bounded(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "MAX_WAITING_BYTES", 10)
    log = EventLog(kept)  # type: ignore[arg-type]
    kept.fails = [False] * 5
    log.add(b"123456\n\n")
    log.add(b"123456\n\n")
    log.add(b"more\n\n")
    await log.end(b"end\n\n")
    assert kept.parts == {}  # a gap would look like a whole answer


async def test_no_end_is_kept_behind_a_part_that_is_missing(kept: Kept) -> None:
    log = EventLog(kept)  # type: ignore[arg-type]
    kept.fails = [False]
    log.add(b"a\n\n")
    await log.end(b"end\n\n")
    assert kept.parts == {}


async def test_large_parts_are_split_between_events(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "MAX_PART_BYTES", 5)
    log = EventLog(kept)  # type: ignore[arg-type]
    for name in (b"a", b"b", b"c"):
        log.add(name + b"\n\n")
    await log.end(b"d\n\n")
    frames = [kept.parts[number].frames for number in sorted(kept.parts)]
    assert frames == [b"a\n\nb\n\n", b"c\n\n", b"d\n\n"]


async def test_a_follower_is_woken_by_the_part_that_it_waits_for(kept: Kept) -> None:
    log = EventLog(kept)  # type: ignore[arg-type]
    waiting = asyncio.ensure_future(log.wait(0, 60))
    await asyncio.sleep(0)
    assert not waiting.done()
    log.add(b"a\n\n")
    await log.end(b"b\n\n")
    await waiting
    await log.wait(9, 0)  # does not wait longer than it should
