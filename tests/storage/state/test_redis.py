"""The Redis store alone: its server goes away and comes back."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from service.ports import StateStore
from storage.state.redis import CALL_SECONDS
from storage.state.store import PAUSE_SECONDS, open_state
from tests.redis_server import RedisServer, running_redis

pytestmark = pytest.mark.needs_redis


@pytest.fixture(scope="module")
def shared_server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture
def server(shared_server: RedisServer) -> RedisServer:
    shared_server.command("FLUSHALL")
    return shared_server


@pytest.fixture
def failures() -> list[str]:
    return []


@pytest.fixture
async def store(server: RedisServer, failures: list[str]) -> AsyncIterator[StateStore]:
    store = open_state(server.url, failures.append)
    yield store
    await store.close()


async def test_a_server_that_was_restarted_is_used_without_a_failure(
    server: RedisServer, store: StateStore, failures: list[str]
) -> None:
    await asyncio.gather(*(store.set(f"{n}", b"1") for n in range(10)))
    async with store.lock("warm", 10, 10):  # only the old process of the server has the scripts
        pass
    server.stop()
    server.start()
    await asyncio.gather(*(store.set(f"{n}", b"2") for n in range(10)))
    async with store.lock("key", 10, 10):
        assert server.command("EXISTS", "backend-to-v1:lock:key") == b":1"
    assert server.command("EXISTS", "backend-to-v1:lock:key") == b":0"
    assert failures == []


async def test_a_server_that_is_down_costs_little_and_is_found_again(
    server: RedisServer, store: StateStore, failures: list[str]
) -> None:
    await store.set("key", b"1")
    server.stop()
    try:
        started = time.monotonic()
        assert await asyncio.gather(*(store.get("key") for _ in range(50))) == [None] * 50
        assert time.monotonic() - started < 20  # without waiting once for each of them
        assert failures == ["get"] * 50
    finally:
        server.start()
    await asyncio.sleep(PAUSE_SECONDS)
    await store.set("key", b"2")
    assert await store.get("key") == b"2"


async def test_a_server_that_hangs_costs_one_wait(
    server: RedisServer, store: StateStore, failures: list[str]
) -> None:
    await store.set("key", b"1")
    assert server._process is not None
    server._process.send_signal(signal.SIGSTOP)
    try:
        started = time.monotonic()
        assert await store.get("key") is None
        assert await store.get("key") is None
        await store.set("key", b"2")
        assert await store.add("key", b"2")
        assert time.monotonic() - started < 3 * CALL_SECONDS
    finally:
        server._process.send_signal(signal.SIGCONT)
    assert failures == ["get", "get", "set", "add"]


async def test_more_calls_than_connections_wait_for_one(
    server: RedisServer, failures: list[str]
) -> None:
    store = open_state(f"{server.url}?max_connections=2&timeout=5", failures.append)
    await asyncio.gather(*(store.set(f"{n}", b"1") for n in range(100)))
    assert server.command("DBSIZE") == b":100"
    await store.close()
    assert failures == []


async def test_a_unix_socket_works_as_well(server: RedisServer, failures: list[str]) -> None:
    store = open_state(server.socket_url, failures.append)
    await store.set("key", b"1")
    assert await store.get("key") == b"1"
    await store.close()
    assert failures == []


async def test_keys_are_named_after_the_gateway_and_expire_in_the_server(
    server: RedisServer, store: StateStore
) -> None:
    await store.set("key", b"1", ttl_seconds=100)
    assert server.command("KEYS", "*") == b"*1"
    assert server.command("TTL", "backend-to-v1:key") in (b":99", b":100")
