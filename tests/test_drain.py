"""The whole gateway is stopped and reloaded while it answers, with one process and with several."""

import asyncio
import json
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demo_process import running_demo_process
from tests.gateway import until
from tests.load import Fate, callers_of
from tests.service.program.gateway_process import GatewayProcess

DRAIN_SECONDS = 20
STREAMS = 16
PACE = ("--delay-seconds", "0.03")

pytestmark = pytest.mark.whole


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    with running_demo_process(*PACE) as address:
        yield address


@pytest.fixture(params=[1, 2])
def gateway(request: pytest.FixtureRequest, demo: str, tmp_path: Path) -> Iterator[GatewayProcess]:
    settings = {
        "server": {
            "host": "127.0.0.1",
            "port": 0,
            "workers": request.param,
            "drain_seconds": DRAIN_SECONDS,
        },
        "upstream": {"base_url": demo},
    }
    (tmp_path / "config.yaml").write_text(json.dumps(settings))
    process = GatewayProcess(tmp_path, "-m", "service")
    try:
        process.address(seconds=90)
        yield process
    finally:
        process.close()


def is_refused(address: str) -> bool:
    host, port = address.removeprefix("http://").split(":")
    try:
        socket.create_connection((host, int(port))).close()
    except ConnectionRefusedError:
        return True
    return False


async def test_on_sigterm_running_streams_finish_and_new_connections_are_refused(
    gateway: GatewayProcess,
) -> None:
    address = gateway.address()
    fates = [Fate() for _ in range(STREAMS)]
    async with callers_of(address) as callers, asyncio.TaskGroup() as streams:
        for fate in fates:
            streams.create_task(callers.follow(fate, "long 60", callers.account("long")))
        await until(lambda: all(fate.body.count(b"data: ") > 2 for fate in fates), seconds=30)
        gateway.process.terminate()
        stopped_at = time.monotonic()
        await until(lambda: is_refused(address), seconds=10)
        assert not all(fate.is_complete for fate in fates)
    assert [fate for fate in fates if not fate.is_complete] == []
    assert await asyncio.to_thread(gateway.process.wait, DRAIN_SECONDS) == 0
    assert time.monotonic() - stopped_at < DRAIN_SECONDS


async def test_an_answer_that_does_not_end_in_time_is_told_why(demo: str, tmp_path: Path) -> None:
    settings = {
        "server": {"host": "127.0.0.1", "port": 0, "workers": 2, "drain_seconds": 1},
        "upstream": {"base_url": demo},
    }
    (tmp_path / "config.yaml").write_text(json.dumps(settings))
    gateway = GatewayProcess(tmp_path, "-m", "service")
    try:
        async with (
            callers_of(gateway.address(seconds=90)) as callers,
            asyncio.TaskGroup() as streams,
        ):
            fate = Fate()
            streams.create_task(callers.follow(fate, "long 5000", callers.account("long")))
            await until(lambda: fate.body.count(b"data: ") > 2, seconds=30)
            gateway.process.terminate()
        assert b"server_shutdown" in fate.body
        assert b"[DONE]" not in fate.body
        assert not fate.error
        assert await asyncio.to_thread(gateway.process.wait, 20) == 0
    finally:
        gateway.close()


@pytest.mark.parametrize("gateway", [2], indirect=True)
async def test_on_sighup_new_workers_take_over_and_no_request_is_lost(
    gateway: GatewayProcess,
) -> None:
    fates = [Fate() for _ in range(STREAMS)]
    async with callers_of(gateway.address()) as callers, callers.busy(4) as short:
        async with asyncio.TaskGroup() as streams:
            for fate in fates:
                streams.create_task(callers.follow(fate, "long 60", callers.account("long")))
            await until(lambda: all(fate.body.count(b"data: ") > 2 for fate in fates), seconds=30)
            gateway.process.send_signal(signal.SIGHUP)
        reloaded_at = time.monotonic()
        await until(lambda: short[-1].started_at > reloaded_at + 1, seconds=30)
    # A worker that stops resets connections that the kernel had queued and it had not accepted: they
    # have status 0 here, and clients try again. A request that was begun is never lost.
    assert [fate for fate in (*fates, *short) if fate.status and not fate.is_complete] == []
    assert "the settings were read again" in gateway.error
    assert await asyncio.to_thread(gateway.stop) == 0
