"""Two workers that are killed while a store takes nothing, and a login that ends at any second use."""

import asyncio
import os
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from tests.demo_process import running_demo_process
from tests.redis_server import running_redis
from tests.service.program.gateway_process import GatewayProcess
from tests.service.program.signing_in import codex_stats, expire, settings_for
from tests.worker_pairs import Callers, callers, write_settings

ASKED = {"model": "gpt-6-sol", "messages": [{"role": "user", "content": "hello"}]}
REQUESTS = 20
WAITING_SECONDS = 60

pytestmark = pytest.mark.whole


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    with running_demo_process() as address:
        yield address


@asynccontextmanager
async def gateway(folder: Path) -> AsyncIterator[Callers]:
    """Run a gateway of two workers for the block, which ends it by SIGKILL."""
    process = GatewayProcess(folder, "-m", "service")
    try:
        address = await asyncio.to_thread(process.address, 90)
        async with callers(address, REQUESTS) as asking:
            workers = await asking.by_worker()
            yield asking
            for one in (process.process.pid, *workers):
                os.kill(one, signal.SIGKILL)
    finally:
        process.close()


async def statuses(asking: Callers, token: str) -> list[int]:
    return [answer.status for answer in await asking.ask_all(token, ASKED)]


async def assert_all_answered(asking: Callers, token: str) -> None:
    assert await statuses(asking, token) == [200] * REQUESTS


async def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + WAITING_SECONDS
    while not is_so():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


def left_in(folder: Path) -> list[Path]:
    return list((folder / "data" / "tokens").iterdir())


async def test_a_locked_database_and_a_kill_lose_no_login(demo: str, tmp_path: Path) -> None:
    token = "codex:ada-on-a-locked-file~1"
    write_settings(tmp_path, settings_for(demo), "sqlite:data/state.db")
    before = codex_stats(demo)["exchanges"]
    async with gateway(tmp_path) as asking:
        await assert_all_answered(asking, token)
        expire(demo)
        database = sqlite3.connect(tmp_path / "data" / "state.db", isolation_level=None)
        with closing(database) as other:
            other.execute("BEGIN IMMEDIATE")
            await assert_all_answered(asking, token)
            assert left_in(tmp_path)
            other.execute("ROLLBACK")
    await assert_the_login_goes_on(demo, tmp_path, token, before + 2)


@pytest.mark.needs_redis
async def test_a_redis_that_dies_during_an_exchange_and_a_kill_lose_no_login(
    demo: str, tmp_path: Path
) -> None:
    token = "codex:eve-on-a-slow-service~1"
    with running_redis() as redis:
        write_settings(tmp_path, settings_for(demo), redis.url)
        before = codex_stats(demo)["exchanges"]
        async with gateway(tmp_path) as asking:
            await assert_all_answered(asking, token)
            expire(demo)
            asked = asyncio.create_task(statuses(asking, token))
            await until(lambda: codex_stats(demo)["exchanges"] == before + 2)
            redis.stop()  # with all of its data
            # The worker that exchanges can answer; the other cannot have the lock, and says so.
            assert set(await asked) <= {200, 503}
            await assert_all_answered(asking, token)
            assert left_in(tmp_path)
        redis.start()
        await assert_the_login_goes_on(demo, tmp_path, token, before + 2)


async def assert_the_login_goes_on(demo: str, folder: Path, token: str, exchanges: int) -> None:
    """Start again with what is left, and want the newest refresh token used, once."""
    expire(demo)
    async with gateway(folder) as asking:
        await assert_all_answered(asking, token)
    assert codex_stats(demo)["exchanges"] == exchanges + 1
    assert left_in(folder) == []
