"""What all tests share: the gateway before an upstream, and no skips that are not listed."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.gateway import Gateway, running_demo, running_gateway
from tests.scripted_upstream import ScriptedUpstream, scripted_upstream
from tests.skips import pytest_make_collect_report, pytest_runtest_makereport
from tests.whole import pytest_collection_modifyitems, pytest_ignore_collect

__all__ = [  # pytest finds them here
    "pytest_collection_modifyitems",
    "pytest_ignore_collect",
    "pytest_make_collect_report",
    "pytest_runtest_makereport",
]
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
