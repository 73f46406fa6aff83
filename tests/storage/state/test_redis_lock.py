"""Locks in Redis belong to whoever renews them, whatever the server's clock says."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator

import pytest

from service.vocabulary.errors import StorageError
from storage.state.redis import RedisBackend
from storage.state.redis_lock import RedisLock
from tests.redis_server import RedisServer, running_redis

pytestmark = pytest.mark.needs_redis

KEY = "backend-to-v1:lock:name"
TTL = 15.0


@pytest.fixture(scope="module")
def shared_server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture
def server(shared_server: RedisServer) -> RedisServer:
    shared_server.command("FLUSHALL")
    return shared_server


@pytest.fixture
async def backend(server: RedisServer) -> AsyncIterator[RedisBackend]:
    backend = RedisBackend(server.url)
    yield backend
    await backend.close()


class Holder:
    """A holder with its own clock, which only the test moves."""

    def __init__(self, backend: RedisBackend, name: str) -> None:
        self.now = 1000.0
        self.lock = RedisLock(backend._locks, KEY, name, TTL, lambda: self.now)

    async def watch(self, seconds: float, step: float = 0.5) -> bool:
        """Try again and again for so long by this clock; return whether the lock was taken."""
        for _ in range(int(seconds / step)):
            self.now += step
            if await self.lock.attempt():
                return True
        return False


@pytest.fixture
def one(backend: RedisBackend) -> Holder:
    return Holder(backend, "one")


@pytest.fixture
def two(backend: RedisBackend) -> Holder:
    return Holder(backend, "two")


async def test_one_has_it_until_it_is_given_back(one: Holder, two: Holder) -> None:
    assert await one.lock.attempt()
    assert not await two.lock.attempt()
    await two.lock.release()
    assert not await two.lock.attempt()
    await one.lock.release()
    assert await two.lock.attempt()


async def test_it_is_taken_from_who_was_silent_for_its_time(one: Holder, two: Holder) -> None:
    assert await one.lock.attempt()
    assert not await two.watch(TTL)
    assert await two.watch(1)
    assert not await one.lock.prolong()
    await one.lock.release()
    assert not await one.lock.attempt()


async def test_it_is_not_taken_from_who_renews_it(one: Holder, two: Holder) -> None:
    assert await one.lock.attempt()
    for _ in range(6):
        assert not await two.watch(TTL / 2)
        assert await one.lock.prolong()
    assert not await two.watch(TTL)


async def test_a_server_that_was_away_shows_no_silence(
    one: Holder, two: Holder, server: RedisServer
) -> None:
    assert await one.lock.attempt()
    assert not await two.watch(TTL - 1)
    assert server._process is not None
    server._process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(StorageError):
            await two.lock.attempt()
    finally:
        server._process.send_signal(signal.SIGCONT)
    two.now += TTL
    assert not await two.lock.attempt()
    assert await one.lock.prolong()
    assert not await two.watch(TTL)


async def test_the_answer_to_a_raise_may_be_lost(one: Holder, two: Holder) -> None:
    """Then the beat on the server is ahead of the holder's."""
    assert await one.lock.attempt()
    assert await one.lock.prolong()
    one.lock._beat -= 1
    assert await one.lock.prolong()
    assert await one.lock.attempt()
    await one.lock.release()
    assert await two.lock.attempt()


async def test_a_server_that_lost_it_is_told_again(
    one: Holder, two: Holder, server: RedisServer
) -> None:
    assert await one.lock.attempt()
    server.command("FLUSHALL")
    assert await one.lock.prolong()
    assert not await two.lock.attempt()


async def test_a_lock_that_was_left_goes_by_itself_in_the_end(
    one: Holder, server: RedisServer
) -> None:
    assert await one.lock.attempt()
    days = int(server.command("TTL", KEY).removeprefix(b":")) / 86400
    assert 29 < days <= 30


async def test_of_many_at_once_one_gets_it(backend: RedisBackend) -> None:
    holders = [Holder(backend, f"{number}") for number in range(40)]
    had = await asyncio.gather(*(holder.lock.attempt() for holder in holders))
    assert sum(had) == 1
