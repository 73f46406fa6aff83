"""Budgets in Redis: the same counts as in memory, exact, in one round trip."""

import asyncio
import re
import socket
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from service.vocabulary.credentials import Budgets
from service.vocabulary.ledger.budgets import Change, Unit, budget_step, uses_of
from storage.state.redis import RedisBackend
from tests.redis_server import RedisServer, running_redis
from tests.storage.state.steps import compare

pytestmark = pytest.mark.needs_redis


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with running_redis() as running:
        yield running


@pytest.fixture
async def store(server: RedisServer) -> AsyncIterator[RedisBackend]:
    server.command("FLUSHALL")
    backend = RedisBackend(server.url)
    yield backend
    await backend.close()


@pytest.mark.parametrize("seed", range(6))
async def test_a_server_counts_as_memory_does(store: RedisBackend, seed: int) -> None:
    await compare(store.spend, seed)


async def test_many_at_once_are_let_in_exactly(store: RedisBackend) -> None:
    step = budget_step(Budgets(requests_per_week=100), time.time(), asking=1)
    taken = await asyncio.gather(*(store.spend("key", step) for _ in range(200)))
    assert sum(one.let_in for one in taken) == 100


async def test_a_step_is_one_command(store: RedisBackend, server: RedisServer) -> None:
    step = budget_step(Budgets(requests_per_day=9), time.time(), [Change(time.time(), 1, 5)])
    await store.spend("key", step)  # loads the script
    before = scripts_run(server)
    await store.spend("key", step)
    assert scripts_run(server) - before == 1


def scripts_run(server: RedisServer) -> int:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(b"INFO commandstats\r\n")
        text = connection.recv(65536).decode()
    return sum(int(number) for number in re.findall(r"cmdstat_eval\w*:calls=(\d+)", text))


async def test_large_counts_are_exact_and_the_hash_expires(
    store: RedisBackend, server: RedisServer
) -> None:
    now, large = time.time(), 10**12 + 1
    budgets = Budgets(tokens_per_month=large)
    taken = await store.spend("key", budget_step(budgets, now, [Change(now, tokens=large - 1)]))
    [use] = uses_of(budgets, taken.spent, now)
    assert (use.unit, use.used, use.is_used_up) == (Unit.TOKENS, large - 1, False)
    days = int(server.command("TTL", "backend-to-v1:budget:key").lstrip(b":")) / 86_400
    assert 31 < days <= 40
