import asyncio

import pytest

from service.vocabulary.errors import ShutdownError
from upstream.slots.running import RunningWork


class Work:
    def __init__(self) -> None:
        self.is_told = False

    def shut_down(self) -> None:
        self.is_told = True


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_drain_waits_for_all_that_was_let_in_and_lets_nothing_newer_in() -> None:
    running, work = RunningWork[Work](), Work()
    with running.admitted(now()):
        with running.admitted():
            running.begin(work)
            drained = asyncio.ensure_future(running.drain(60))
            await asyncio.sleep(0)
            for received_at in (None, now()):
                with pytest.raises(ShutdownError), running.admitted(received_at):
                    pass
            running.end(work)
        await asyncio.sleep(0)
        assert not drained.done()
    await asyncio.wait_for(drained, 20)
    assert not work.is_told


async def test_what_had_come_before_may_still_begin() -> None:
    running, received_at = RunningWork[Work](), now()
    await asyncio.sleep(0.01)
    with running.admitted():
        drained = asyncio.ensure_future(running.drain(60))
        await asyncio.sleep(0)
        late = running.admitted(received_at)
        late.__enter__()
    await asyncio.sleep(0)
    assert not drained.done()
    late.__exit__(None, None, None)
    await asyncio.wait_for(drained, 20)


async def test_what_outlasts_the_drain_is_told_to_end_and_so_is_what_begins_after_it() -> None:
    running, work, late = RunningWork[Work](), Work(), Work()
    with running.admitted():
        running.begin(work)
        await running.drain(0)
        assert work.is_told
        running.begin(late)
        assert late.is_told


async def test_work_that_has_ended_is_not_told_to_end() -> None:
    running, work = RunningWork[Work](), Work()
    with running.admitted():
        running.begin(work)
        running.end(work)
        await running.drain(0)
    assert not work.is_told


async def test_a_request_that_fails_is_not_waited_for() -> None:
    running = RunningWork[Work]()
    with pytest.raises(OSError, match="broke"), running.admitted():
        raise OSError("broke")
    await asyncio.wait_for(running.drain(60), 20)
