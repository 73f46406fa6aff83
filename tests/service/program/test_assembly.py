"""The program starts, stops, and closes everything that it has opened."""

import asyncio
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData, web

from service import keys
from service.program.assembly import drain, make_app
from service.program.runner import DrainingRunner, Program
from service.settings.config import Config
from tests.gateway import running_gateway, until
from tests.scripted_upstream import STALL, Head, answer, scripted_upstream


def settings(tmp_path: Path, base_url: str = "http://127.0.0.1:9") -> Config:
    return Config.model_validate(
        {
            "upstream": {"base_url": base_url},
            "tokens": {"secret": "a secret of the test"},
            "storage": {"state": f"sqlite:{tmp_path}/state.db", "blobs": f"file:{tmp_path}"},
        }
    )


def test_making_the_application_opens_nothing(tmp_path: Path) -> None:
    make_app(settings(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.whole
async def test_it_starts_and_leaves_no_task_behind(tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    async with scripted_upstream() as upstream:
        runner = DrainingRunner(Program(make_app, drain), settings(tmp_path, upstream.url))
        await runner.setup()
        assert await runner.app[keys.STATE].is_alive()
        assert await runner.app[keys.UPSTREAM].problem() is None
        await runner.cleanup()
    await asyncio.sleep(0.05)
    assert asyncio.all_tasks() == before


async def test_the_size_of_the_stores_and_what_a_sweep_removes_are_measured(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for number, days_old in ((1, 31), (2, 1)):
        picture = tmp_path / "images" / (str(number) * 32 + ".png")
        picture.write_bytes(bytes(100 * number))
        then = time.time() - days_old * 86400
        os.utime(picture, (then, then))
    runner = DrainingRunner(Program(make_app, drain), settings(tmp_path))
    await runner.setup()
    try:
        metrics = runner.app[keys.METRICS]
        async with asyncio.timeout(20):
            while b'store_files{store="uploads"}' not in (  # noqa: ASYNC110 - it has no event
                text := await metrics.exposition()
            ):
                await asyncio.sleep(0.01)
    finally:
        await runner.cleanup()
    for line in (
        'gateway_store_files{store="blobs"} 1.0',
        'gateway_store_bytes{store="blobs"} 200.0',
        'gateway_store_removed_files_total{store="blobs"} 1.0',
        'gateway_store_removed_bytes_total{store="blobs"} 100.0',
        'gateway_store_bytes{store="uploads"} 0.0',
    ):
        assert line in text.decode()


@pytest.mark.parametrize(("workers", "number"), [(1, 0), (2, 1)])
async def test_only_processes_that_are_not_alone_ask_each_other_for_slots(
    tmp_path: Path, workers: int, number: int
) -> None:
    """The leases that one running turn has in the store."""
    async with scripted_upstream() as upstream:
        upstream.plays(STALL)
        async with running_gateway(upstream.url, tmp_path, server={"workers": workers}) as gateway:
            asking = asyncio.create_task(gateway.chat())
            await until(lambda: upstream.turns, seconds=10)
            # The store opens at its first use, which a single process may not have had yet.
            await gateway.app[keys.STATE].set("any", b"1")
            with closing(sqlite3.connect(tmp_path / "state.db")) as reader:
                leases = reader.execute("SELECT is_held FROM leases").fetchall()
            asking.cancel()
    assert leases == [(1,)] * number
    with closing(sqlite3.connect(tmp_path / "state.db")) as reader:
        assert reader.execute("SELECT * FROM leases").fetchall() == []


async def test_a_route_that_fails_is_told_in_the_metrics_by_its_place(tmp_path: Path) -> None:
    async with scripted_upstream() as upstream:
        upstream.plays({"detail": "busy"}, head=Head(503))
        upstream.plays(answer("Hello"))
        async with running_gateway(
            upstream.url, tmp_path, upstream={"api_prefixes": ["secret-a", "secret-b"]}
        ) as gateway:
            assert (await gateway.chat()).text == "Hello"
            failing = await gateway.counts("gateway_route_failing", "route")
            failures = await gateway.counts("gateway_route_failures_total", "route")
            text = await gateway.metrics()
    assert failing == {"0": 1, "1": 0}
    assert failures == {"0": 1, "1": 0}
    assert "secret-" not in text


async def test_without_a_secret_one_is_made_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        runner = web.AppRunner(make_app(Config()))
        await runner.setup()
        await runner.cleanup()
    (secret,) = (tmp_path / "data").glob("*.key")
    assert secret.stat().st_mode & 0o777 == 0o600


@pytest.mark.whole
async def test_a_stop_waits_for_a_recording_that_is_written_down(
    tmp_path: Path, aiohttp_raw_server: Any
) -> None:
    asked, answered = asyncio.Event(), asyncio.Event()

    async def transcribe(request: web.BaseRequest) -> web.Response:
        await request.read()
        asked.set()
        await answered.wait()
        return web.json_response({"text": "Boats float."})

    upstream = await aiohttp_raw_server(transcribe)
    form = FormData()
    form.add_field("file", b"OggS" + bytes(40), filename="memo.ogg")
    address, settings = f"http://127.0.0.1:{upstream.port}", {"drain_seconds": 10}
    async with running_gateway(address, tmp_path, server=settings) as gateway:
        headers = {"Authorization": "Bearer fk-x"}
        url = f"{gateway.url}/v1/audio/transcriptions"
        work = asyncio.ensure_future(gateway.session.post(url, data=form, headers=headers))
        await asyncio.wait_for(asked.wait(), 20)
        stop = asyncio.ensure_future(gateway.stop())
        await until(gateway.app[keys.DRAINING].is_set)
        assert [work.done(), stop.done()] == [False, False]
        answered.set()
        async with await work as response:
            assert await response.json() == {"text": "Boats float."}
        await asyncio.wait_for(stop, 20)
