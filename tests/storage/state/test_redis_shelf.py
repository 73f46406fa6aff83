"""The sums of kept values in a real Redis are never too low."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator

import pytest
from redis.asyncio import Redis

from service.ports import Bounds
from storage.state.redis import KEY_PREFIX, RedisBackend
from tests.redis_server import RedisServer, running_redis

pytestmark = pytest.mark.needs_redis


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


async def sums(client: Redis) -> dict[str, int]:
    found = await client.hgetall(f"{KEY_PREFIX}shelved")
    return {owner.decode(): int(size) for owner, size in found.items() if owner != b"#"}


async def held(client: Redis) -> dict[str, int]:
    """Return the sums as they should be, computed from the values."""
    found = Counter[str]()
    async for key in client.scan_iter(match=f"{KEY_PREFIX}response:*"):
        size = await client.strlen(key)
        found.update({key.decode().split(":")[2]: size, "": size})
    return dict(found)


async def test_the_sums_are_those_of_the_values(server: RedisServer) -> None:
    server.command("FLUSHALL")
    chance, backend = random.Random(1), RedisBackend(server.url)
    async with Redis.from_url(server.url) as client:
        for _ in range(300):
            owner = chance.choice("abcd")
            key = f"response:{owner}:{chance.randrange(8)}"
            if chance.random() < 0.15:
                await backend.forget(key)
            else:
                value = chance.randbytes(chance.randrange(1, 200))
                await backend.keep(key, value, 60, Bounds(owner, 500, 1500))
                assert await backend.get(key) == value
            found = await sums(client)
            assert {owner: size for owner, size in found.items() if size} == await held(client)
            assert found.get("", 0) <= 1500
            assert max(size for name, size in found.items() if name or size == 0) <= 500
        assert await client.hlen(f"{KEY_PREFIX}shelf") == await client.zcard(
            f"{KEY_PREFIX}shelf:order"
        )
    await backend.close()


async def test_what_has_ended_leaves_the_shelf(server: RedisServer) -> None:
    server.command("FLUSHALL")
    backend = RedisBackend(server.url)
    async with Redis.from_url(server.url) as client:
        for number in range(250):
            await backend.keep(f"response:a:{number}", b"x", 0.3, Bounds("a", 500, 500))
        await asyncio.sleep(0.5)
        for number in range(3):  # a hundred in each call
            await backend.keep(f"response:b:{number}", b"x", 60, Bounds("b", 500, 500))
        assert await sums(client) == await held(client) == {"b": 3, "": 3}
        assert not await client.exists(f"{KEY_PREFIX}shelf:order:a")
    await backend.close()
