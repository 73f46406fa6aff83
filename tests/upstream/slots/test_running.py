import asyncio

import pytest

from service.vocabulary.errors import ShutdownError
from upstream.slots.running import RunningWork


class Work:
    def __init__(self) -> None:
        self.is_told = False

    def shut_down(self) -> None:
        self.is_told = True


async def test_a_drain_waits_for_all_that_runs_and_lets_nothing_in() -> None:
    running, one, other = RunningWork[Work](), Work(), Work()
    running.check_open()
    with running.running(one):
        with running.running(other):
            drained = asyncio.ensure_future(running.drain(5))
            await asyncio.sleep(0)
            with pytest.raises(ShutdownError):
                running.check_open()
        await asyncio.sleep(0)
        assert not drained.done()
    await asyncio.wait_for(drained, 1)
    assert not one.is_told
    assert not other.is_told


async def test_what_outlasts_the_drain_is_told_to_end() -> None:
    running, work = RunningWork[Work](), Work()
    with running.running(work):
        await running.drain(0)
        assert work.is_told


async def test_what_begins_in_a_drain_is_told_at_once() -> None:
    running, work = RunningWork[Work](), Work()
    await running.drain(5)
    with running.running(work):
        assert work.is_told


async def test_work_that_fails_runs_no_more() -> None:
    running = RunningWork[Work]()
    with pytest.raises(OSError, match="broke"), running.running(Work()):
        raise OSError("broke")
    await asyncio.wait_for(running.drain(5), 1)
