"""What all tests share: the gateway before an upstream, and no silent skips under `CI=true`."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.gateway import Gateway, running_demo, running_gateway
from tests.scripted_upstream import ScriptedUpstream, scripted_upstream

StartGateway = Callable[..., Awaitable[Gateway]]


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedUpstream]:
    """An upstream that sends exactly the bytes that a test wants."""
    async with scripted_upstream() as upstream:
        yield upstream


@pytest.fixture
async def demo() -> AsyncIterator[str]:
    """The address of a demo upstream."""
    async with running_demo() as address:
        yield address


@pytest.fixture
async def start_gateway(tmp_path: Path) -> AsyncIterator[StartGateway]:
    """Start the gateway before an upstream at this address, with these sections of settings."""
    async with AsyncExitStack() as stack:

        async def start(upstream_url: str, **settings: Any) -> Gateway:
            return await stack.enter_async_context(
                running_gateway(upstream_url, tmp_path, **settings)
            )

        yield start


# --- skips ----------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that a missing part would skip; runs where the test does, so also under xdist."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        _fail_in_ci(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Likewise for a module that skips itself as a whole."""
    report = yield
    if report.skipped:
        _fail_in_ci(report)
    return report


def _fail_in_ci(report: pytest.TestReport | pytest.CollectReport) -> None:
    if os.environ.get("CI") != "true":
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"With CI=true nothing may be missing. {reason}"
