"""Jobs beside the application."""

import asyncio

import pytest

from service.program.background import background


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
