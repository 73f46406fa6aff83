"""The clock is set back by a day after a process died with locks and leases (spec 10, issue 12.17).

Their ends were then a day away: an account waited `queue_seconds` for its slots, and a token
exchange waited for ever. With SQLite the clock is the processes', with Redis the server's.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis import Redis

from service.ports import Lease, StateStore
from service.vocabulary.errors import LockTimeoutError
from storage.state.store import open_state
from tests.faults.surroundings import fake_clock, set_clock, with_clock
from tests.redis_server import RedisServer, running_redis

LEASE_SECONDS = 0.5  # of the dead process
LOCK = "token:0123"
DAY = 86_400

HOLDER = f"""
import asyncio, sys
from service.ports import Lease
from storage.state.store import open_state

async def hold(url):
    store = open_state(url, print)
    assert await store.acquire(Lease("turns:a", "dead"), 1, {LEASE_SECONDS})
    async with store.lock("{LOCK}", {LEASE_SECONDS}, 5):
        print("held", flush=True)
        await asyncio.sleep(60)

asyncio.run(hold(sys.argv[1]))
"""


@asynccontextmanager
async def holder(url: str, environ: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a process that holds a lock and a lease."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLDER, url),
        cwd=Path(__file__).parents[1],
        env={**os.environ, **environ},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            assert await process.stdout.readline() == b"held\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def assert_free(store: StateStore) -> None:
    """Check that both can be taken within seconds."""
    async with store.lock(LOCK, LEASE_SECONDS, 10):
        pass
    async with asyncio.timeout(30):
        while not await store.acquire(Lease("turns:a", "living"), 1, 10):  # noqa: ASYNC110 - as slots do
            await asyncio.sleep(0.05)


@pytest.mark.skipif(fake_clock() is None, reason="faketime is not installed")
async def test_a_state_file_that_a_process_of_tomorrow_left(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path}/state.db"
    environ = with_clock(tmp_path)
    set_clock(tmp_path, "+1d")
    async with holder(url, environ) as process:
        store = open_state(url, print)
        with pytest.raises(LockTimeoutError):
            async with store.lock(LOCK, LEASE_SECONDS, 0.1):
                pytest.fail("two holders")
        process.kill()
    await assert_free(store)
    await store.close()


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    redis_server.command("FLUSHALL")
    return redis_server.url


def set_server_clock(url: str, seconds: int) -> None:
    """Move all times that Redis keeps, as if its clock had been set ahead by so much.

    The times are moved because its allocator does not work with libfaketime.
    """
    with Redis.from_url(url) as client:
        for key in client.keys("*"):
            left = client.pttl(key)
            if client.type(key) == b"hash":
                for holder, value in client.hgetall(key).items():
                    held, *moments = map(int, value.split())
                    moved = [moment - seconds * 1000 for moment in moments]
                    client.hset(key, holder, " ".join(map(str, [held, *moved])))
            if left > 0:
                client.pexpire(key, max(1, left - seconds * 1000))


@pytest.mark.needs_redis
async def test_a_redis_server_whose_clock_is_set_back(redis_url: str) -> None:
    async with holder(redis_url, {}) as process:
        process.kill()
    set_server_clock(redis_url, -DAY)
    store = open_state(redis_url, print)
    await assert_free(store)
    await store.close()


@pytest.mark.needs_redis
@pytest.mark.parametrize("seconds", [DAY, -DAY])
async def test_a_lock_is_not_lost_when_the_clock_of_redis_is_set(
    redis_url: str, seconds: int
) -> None:
    one, other = open_state(redis_url, print), open_state(redis_url, print)
    async with one.lock(LOCK, 2, 5):
        set_server_clock(redis_url, seconds)
        with pytest.raises(LockTimeoutError):
            async with other.lock(LOCK, 2, 4):
                pytest.fail("two holders")
    async with other.lock(LOCK, 2, 5):
        pass
    await one.close()
    await other.close()


@pytest.mark.needs_redis
async def test_who_holds_a_lease_has_it_again_when_it_is_renewed(redis_url: str) -> None:
    """Another holder may have it as well only for the seconds until then."""
    store = open_state(redis_url, print)
    held, wanted = Lease("turns:a", "one"), Lease("turns:a", "other")
    assert await store.acquire(held, 1, 10)
    set_server_clock(redis_url, -DAY)
    await store.renew([held], 10)
    assert not await store.acquire(wanted, 1, 10)
    await store.close()
