"""The program starts, stops, and closes everything that it opened."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

from service import keys
from service.app import background, drain, make_app
from service.config import Config
from service.runner import DrainingRunner, Program
from tests.scripted_upstream import scripted_upstream


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


async def test_a_background_job_that_fails_is_logged_and_costs_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ended: list[str] = []

    async def broken() -> None:
        raise ValueError("of the test")

    async def steady() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("steady")

    async with background(broken, steady):
        await asyncio.sleep(0.01)
        assert ended == []
    assert ended == ["steady"]
    assert "a background job failed" in caplog.text
