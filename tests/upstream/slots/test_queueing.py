import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Gauge

from service.program.background import background
from service.settings.config import UpstreamConfig
from service.vocabulary.errors import QueueFullError
from storage.state.store import open_state
from tests.gateway import until
from upstream.slots.leases import Leases
from upstream.slots.queueing import AccountQueues


def queues(
    streams: int = 1, queue: int = 2, seconds: float = 5, leases: Leases | None = None
) -> AccountQueues:
    config = UpstreamConfig(
        streams_per_account=streams, queue_per_account=queue, queue_seconds=seconds
    )
    return AccountQueues(config, Gauge("waiting", "x", registry=CollectorRegistry()), leases)


class Turns:
    """Turns of one account that run until the test ends them."""

    def __init__(self, slots: AccountQueues) -> None:
        self.slots = slots
        self.started: list[str] = []
        self.ends: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def begin(self, name: str, account: str = "a", party: str = "") -> None:
        self.ends[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._run(name, account, party))
        await asyncio.sleep(0.01)

    async def end(self, name: str) -> None:
        self.ends[name].set()
        await self.tasks[name]
        await asyncio.sleep(0)

    async def _run(self, name: str, account: str, party: str) -> None:
        async with self.slots.slot(account, party):
            self.started.append(name)
            await self.ends[name].wait()


async def test_turns_beyond_the_limit_wait_in_order() -> None:
    turns = Turns(queues())
    for name in ("one", "two", "three"):
        await turns.begin(name)
    assert turns.started == ["one"]
    await turns.end("one")
    assert turns.started == ["one", "two"]
    await turns.end("two")
    await turns.end("three")
    assert turns.started == ["one", "two", "three"]


async def test_accounts_do_not_wait_for_each_other() -> None:
    turns = Turns(queues())
    await turns.begin("one", "a")
    await turns.begin("two", "b")
    assert turns.started == ["one", "two"]
    await turns.end("one")
    await turns.end("two")


async def test_a_full_queue_is_refused_at_once_with_a_time_to_come_back() -> None:
    turns = Turns(queues(queue=1))
    await turns.begin("one")
    await turns.begin("two")
    with pytest.raises(QueueFullError) as caught:
        async with turns.slots.slot("a"):
            pass
    assert caught.value.status == 429
    assert caught.value.retry_after_seconds
    await turns.end("one")
    await turns.end("two")


async def test_waiting_too_long_is_refused_and_leaves_the_line() -> None:
    turns = Turns(queues(seconds=0.05))
    await turns.begin("one")
    with pytest.raises(QueueFullError):
        async with turns.slots.slot("a"):
            pass
    await turns.end("one")
    await turns.begin("two")
    assert turns.started == ["one", "two"]
    await turns.end("two")


async def test_a_caller_that_leaves_the_line_or_its_turn_frees_the_place() -> None:
    turns = Turns(queues())
    for name in ("one", "two", "three"):
        await turns.begin(name)
    for name in ("two", "one"):
        turns.tasks[name].cancel()
        with pytest.raises(asyncio.CancelledError):
            await turns.tasks[name]
    await asyncio.sleep(0.01)
    assert turns.started == ["one", "three"]
    await turns.end("three")


async def test_a_slot_given_to_a_caller_that_leaves_at_that_moment_is_handed_on() -> None:
    turns = Turns(queues())
    for name in ("one", "two", "three"):
        await turns.begin(name)
    turns.ends["one"].set()
    await turns.tasks["one"]  # the slot is now that of "two", which has not woken yet
    turns.tasks["two"].cancel()
    await asyncio.sleep(0.01)
    assert turns.started[-1] == "three"
    await turns.end("three")


async def test_turns_of_one_request_stand_in_line_as_one() -> None:
    turns = Turns(queues(queue=2))
    await turns.begin("one")
    for name in ("p1", "p2", "p3", "p4"):
        await turns.begin(name, party="p")
    await turns.begin("two")  # there is room for it, since the others count as one
    with pytest.raises(QueueFullError):
        async with turns.slots.slot("a"):
            pass
    for ended, begun in (("one", "p1"), ("p1", "two"), ("two", "p2"), ("p2", "p3"), ("p3", "p4")):
        await turns.end(ended)
        assert turns.started[-1] == begun
    await turns.end("p4")


async def test_only_the_first_of_a_request_is_refused_for_waiting_too_long() -> None:
    turns = Turns(queues(seconds=0.05))
    for name in ("p1", "p2", "p3"):
        await turns.begin(name, party="p")
    await asyncio.sleep(0.1)
    await turns.end("p1")
    await turns.end("p2")
    await turns.begin("q1", party="q")
    await turns.begin("q2", party="q")
    await asyncio.sleep(0.1)
    for name in ("q1", "q2"):
        with pytest.raises(QueueFullError):
            await turns.tasks[name]
    await turns.end("p3")
    assert turns.started == ["p1", "p2", "p3"]


async def test_one_of_a_request_that_leaves_lets_the_next_stand_in_line() -> None:
    turns = Turns(queues())
    await turns.begin("one")
    for name in ("p1", "p2"):
        await turns.begin(name, party="p")
    turns.tasks["p1"].cancel()
    await turns.end("one")
    assert turns.started == ["one", "p2"]
    await turns.end("p2")


# --- over several processes -----------------------------------------------------------

OpenQueues = Callable[..., Awaitable[AccountQueues]]


@pytest.fixture
async def shared(tmp_path: Path) -> AsyncIterator[OpenQueues]:
    """Return the queues of another process that shares the store."""
    async with AsyncExitStack() as stack:

        async def make(**settings: float) -> AccountQueues:
            state = open_state(f"sqlite:{tmp_path}/state.db", print)
            stack.push_async_callback(state.close)
            leases = Leases(state)
            stack.push_async_callback(leases.close)
            await stack.enter_async_context(background(leases.run))
            return queues(leases=leases, **settings)  # type: ignore[arg-type]  # whole numbers

        yield make


@pytest.mark.whole
async def test_the_limit_holds_over_processes_and_the_first_to_come_is_the_first_to_go(
    shared: OpenQueues,
) -> None:
    one, two = Turns(await shared(streams=2)), Turns(await shared(streams=2))
    await one.begin("a")
    await two.begin("b")
    await until(lambda: one.started + two.started == ["a", "b"])
    await two.begin("c")
    await one.begin("d")
    await asyncio.sleep(0.3)
    assert one.started + two.started == ["a", "b"]
    await one.end("a")
    await until(lambda: two.started == ["b", "c"], seconds=10)
    await asyncio.sleep(0.3)
    assert one.started == ["a"]
    await two.end("b")
    await until(lambda: one.started == ["a", "d"], seconds=10)
    await two.end("c")
    await one.end("d")


async def test_a_line_of_another_process_that_is_full_is_refused(shared: OpenQueues) -> None:
    one, two = Turns(await shared()), Turns(await shared(queue=0))
    await one.begin("a")
    await until(lambda: one.started == ["a"])
    with pytest.raises(QueueFullError):
        async with two.slots.slot("a"):
            pass
    await one.end("a")
    async with two.slots.slot("a"):
        pass


async def test_waiting_too_long_for_another_process_is_refused_and_leaves_the_line(
    shared: OpenQueues,
) -> None:
    one, two = Turns(await shared()), Turns(await shared(seconds=0.2))
    await one.begin("a")
    await until(lambda: one.started == ["a"])
    with pytest.raises(QueueFullError, match=r"within 0\.2 seconds"):
        async with two.slots.slot("a"):
            pass
    await one.end("a")
    async with asyncio.timeout(20), one.slots.slot("a"):
        pass


async def test_a_caller_that_leaves_while_another_process_is_busy_frees_its_place(
    shared: OpenQueues,
) -> None:
    one, two = Turns(await shared()), Turns(await shared())
    await one.begin("a")
    await until(lambda: one.started == ["a"])
    await two.begin("b")
    await asyncio.sleep(0.1)
    two.tasks["b"].cancel()
    with pytest.raises(asyncio.CancelledError):
        await two.tasks["b"]
    await two.begin("c")
    await one.end("a")
    await until(lambda: two.started == ["c"], seconds=10)
    await two.end("c")


async def test_no_limit_means_no_line() -> None:
    turns = Turns(queues(streams=0))
    for name in ("one", "two", "three"):
        await turns.begin(name)
    assert len(turns.started) == 3
    for name in ("one", "two", "three"):
        await turns.end(name)
