"""Three gateways behind nginx, sharing a Redis: what holds across all, and what can be lost.

Each is a process of its own; nginx has the shipped file. The tests run in order, since later ones
break things that are not repaired.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.demo_process import running_demo_process, stats_of
from tests.gateway import until
from tests.load import Callers, Fate, callers_of
from tests.nginx_server import running_nginx
from tests.redis_server import RedisServer, running_redis
from tests.service.program.gateway_process import GatewayProcess, fetch
from upstream.slots.leases import LEASE_SECONDS

LIMIT = 3  # the default of upstream.streams_per_account
REQUESTS = 100
DRAIN_SECONDS = 20
REFRESH_TOKEN = "a-refresh-token-of-the-cluster"
LONG = "long 60"  # words, at the demo's pace
PACE = ("--delay-seconds", "0.03")

pytestmark = [pytest.mark.whole, pytest.mark.needs_redis, pytest.mark.needs_nginx]


@dataclass
class Cluster:
    demo: str
    redis: RedisServer
    folder: Path
    addresses: list[str]
    gateways: list[GatewayProcess]
    address: str = ""
    """Of nginx."""

    def start(self, number: int) -> None:
        """Start a gateway at its address, also after it was stopped."""
        folder = self.folder / f"gateway-{number}"
        folder.mkdir(exist_ok=True)
        known = self.addresses[number : number + 1]
        port = int(known[0].rpartition(":")[2]) if known else 0
        (folder / "config.yaml").write_text(json.dumps(settings_of(self, port)))
        self.gateways[number : number + 1] = [GatewayProcess(folder, "-m", "service")]

    def figures(self, name: str) -> list[int]:
        """Return one figure of each living gateway, summed over its labels."""
        return [
            figure(address, name)
            for address, gateway in zip(self.addresses, self.gateways, strict=True)
            if gateway.process.poll() is None
        ]


def figure(address: str, name: str) -> int:
    lines = fetch(f"{address}/metrics").read().decode().splitlines()
    return sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith(name))


def settings_of(cluster: Cluster, port: int) -> dict[str, dict[str, object]]:
    demo = cluster.demo
    return {
        "server": {"host": "127.0.0.1", "port": port, "drain_seconds": DRAIN_SECONDS},
        "upstream": {"base_url": demo, "queue_per_account": REQUESTS},
        "tokens": {"oaifree_url": f"{demo}/api/auth/refresh", "secret": "of the whole cluster"},
        "storage": {"state": cluster.redis.url},
    }


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    with ExitStack() as stack:
        redis = stack.enter_context(running_redis())
        demo = stack.enter_context(running_demo_process(*PACE))
        cluster = Cluster(demo, redis, folder, [], [])
        stack.callback(lambda: [gateway.close() for gateway in cluster.gateways])
        for number in range(3):
            cluster.start(number)
        cluster.addresses = [gateway.address(seconds=90) for gateway in cluster.gateways]
        hosts = [address.removeprefix("http://") for address in cluster.addresses]
        cluster.address = stack.enter_context(running_nginx(folder, hosts))
        yield cluster


@pytest.fixture
async def callers(cluster: Cluster) -> AsyncIterator[Callers]:
    async with callers_of(cluster.address) as callers:
        yield callers


def most_at_once(cluster: Cluster, account: str) -> int:
    """Return how many turns of an account the demo has had open at once."""
    key = hashlib.sha256(account.encode()).hexdigest()[:8]
    return int(stats_of(cluster.demo)["most_turns_open"][key])


def refreshes(cluster: Cluster) -> int:
    key = hashlib.sha256(REFRESH_TOKEN.encode()).hexdigest()[:8]
    return int(stats_of(cluster.demo)["refreshes"]["by_token"][key])


async def open_streams(callers: Callers, count: int) -> tuple[list[Fate], list[asyncio.Task[Fate]]]:
    """Open streams, each of its own account, and wait until all have begun."""
    fates = [Fate() for _ in range(count)]
    tasks = [
        asyncio.create_task(callers.follow(fate, LONG, callers.account("long"))) for fate in fates
    ]
    await until(lambda: all(fate.body.count(b"data: ") > 2 for fate in fates), seconds=30)
    return fates, tasks


async def test_an_account_has_three_answers_at_once_over_all_gateways(
    cluster: Cluster, callers: Callers
) -> None:
    before = cluster.figures("gateway_outcomes_total")
    headers = callers.account("limited") | {"ChatGPT-Account-ID": "limited"}
    fates = await asyncio.gather(*(callers.ask("6*7", headers) for _ in range(6 * LIMIT)))
    assert all(fate.is_complete for fate in fates)
    assert most_at_once(cluster, "limited") == LIMIT
    after = cluster.figures("gateway_outcomes_total")
    assert all(new > old for new, old in zip(after, before, strict=True))


async def test_a_gateway_that_is_stopped_under_load_loses_nothing(
    cluster: Cluster, callers: Callers
) -> None:
    _, streams = await open_streams(callers, 12)
    stopped = cluster.gateways[2]
    assert cluster.figures("gateway_open_streams")[2] > 0
    began = time.monotonic()
    async with callers.busy(6) as fates:
        await asyncio.sleep(0.5)
        status = await asyncio.to_thread(stopped.stop)
        await asyncio.sleep(0.5)
    assert status == 0
    assert time.monotonic() - began < DRAIN_SECONDS
    assert [fate for fate in await asyncio.gather(*streams) if not fate.is_complete] == []
    assert [fate for fate in fates if not fate.is_complete] == []
    cluster.start(2)
    await asyncio.to_thread(cluster.gateways[2].address, 90)


async def test_a_hundred_requests_with_one_refresh_token_exchange_it_once(
    cluster: Cluster, callers: Callers
) -> None:
    token = {"Authorization": f"Bearer {REFRESH_TOKEN}"}

    async def ask_all() -> list[Fate]:
        # Each of its own team, so that they do not wait for each other.
        accounts = ({"ChatGPT-Account-ID": f"team-{number}"} for number in range(REQUESTS))
        return await asyncio.gather(*(callers.ask("6*7", token | one) for one in accounts))

    assert all(fate.is_complete for fate in await ask_all())
    assert refreshes(cluster) == 1
    async with (  # the access token is no longer accepted
        ClientSession() as session,
        session.post(f"{cluster.demo}/demo/revoke", json={"all": True}) as response,
    ):
        assert response.status == 200
    assert all(fate.is_complete for fate in await ask_all())
    assert refreshes(cluster) == 2


async def test_a_gateway_that_is_killed_loses_its_open_answers_and_nothing_else(
    cluster: Cluster, callers: Callers
) -> None:
    killed, (address, other, _) = cluster.gateways[0], cluster.addresses
    async with callers_of(address) as direct, callers_of(other) as elsewhere:
        account = direct.account("stuck")
        stuck = [asyncio.create_task(direct.ask("long 900", account)) for _ in range(LIMIT)]
        fates, streams = await open_streams(callers, 24)
        async with callers.busy(6) as short:
            await asyncio.sleep(0.5)
            of_killed = cluster.figures("gateway_open_streams")[0]
            killed.process.kill()
            killed.process.wait()
            killed_at = time.monotonic()
            # The killed gateway held all slots of this account; they are free when its leases end.
            waiting = asyncio.create_task(elsewhere.ask("6*7", account))
            await asyncio.gather(*streams, *stuck)
            await asyncio.sleep(0.5)
        lost = [fate for fate in fates if not fate.is_complete]
        lost_short = [fate for fate in short if not fate.is_complete]
        assert len(lost) + LIMIT <= of_killed
        assert 0 < len(lost) < len(fates)
        assert all(b"[DONE]" not in fate.body for fate in lost)
        assert all(fate.started_at < killed_at for fate in lost_short)
        assert len(lost_short) <= 6
        assert len([fate for fate in short if fate.started_at > killed_at]) > 0
        assert (await waiting).is_complete
        assert waiting.result().ended_at - killed_at < LEASE_SECONDS + 10


async def test_redis_that_is_killed_under_load_loses_nothing(
    cluster: Cluster, callers: Callers
) -> None:
    fates, streams = await open_streams(callers, 12)
    new_token = {"Authorization": "Bearer a-refresh-token-nobody-knows-yet"}
    async with callers.busy(8) as short:
        await asyncio.sleep(0.5)
        cluster.redis.stop()
        await asyncio.sleep(1)
        # An exchange waits for its lock, which only Redis can give, since others may hold it.
        unknown = asyncio.create_task(callers.ask("6*7", new_token))
        await asyncio.sleep(0.5)
        assert not unknown.done()
        await asyncio.to_thread(cluster.redis.start)
        await asyncio.sleep(1)
    await asyncio.gather(*streams)
    fates.append(await unknown)
    assert [fate for fate in (*fates, *short) if not fate.is_complete] == []
    assert sum(cluster.figures("gateway_state_failures_total")) > 0


async def test_afterwards_the_limit_holds_over_those_that_are_left(
    cluster: Cluster, callers: Callers
) -> None:
    headers = callers.account("left") | {"ChatGPT-Account-ID": "left"}
    fates = await asyncio.gather(*(callers.ask("6*7", headers) for _ in range(4 * LIMIT)))
    assert all(fate.is_complete for fate in fates)
    assert most_at_once(cluster, "left") == LIMIT
