"""Fixtures of all tests (the gateway and its upstreams), and the hooks that check skips."""

import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from tests.forks import pytest_addoption, pytest_runtestloop
from tests.in_memory import pytest_configure
from tests.skips import pytest_make_collect_report, pytest_runtest_makereport
from tests.whole import pytest_collection_modifyitems, pytest_ignore_collect

if TYPE_CHECKING:  # to import the gateway takes a second, in which the processes have not begun
    from tests.gateway import Gateway
    from tests.scripted_upstream import ScriptedUpstream

__all__ = [  # pytest finds them here
    "pytest_addoption",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_ignore_collect",
    "pytest_make_collect_report",
    "pytest_runtest_makereport",
    "pytest_runtestloop",
]
# What is collected stays to the end, so the collector of garbage would look through it in vain.
gc.disable()
settings.register_profile("quick")  # `tests/chance.py` tries fewer examples in it
StartGateway = Callable[..., Awaitable["Gateway"]]


def pytest_collection_finish() -> None:
    """Let garbage be collected again, but less often, and leave what is there now out of it."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


@pytest.hookimpl(trylast=True)  # pytest has collected all garbage once, for what it tells of itself
def pytest_unconfigure() -> None:
    """Leave all that is there out of further collections: pytest's second and Python's last."""
    gc.freeze()


@pytest.fixture
async def scripted() -> AsyncIterator["ScriptedUpstream"]:
    """Return an upstream that sends exactly the bytes of the test."""
    from tests.scripted_upstream import scripted_upstream  # noqa: PLC0415 - see above

    async with scripted_upstream() as upstream:
        yield upstream


@pytest.fixture
async def demo() -> AsyncIterator[str]:
    """Return the address of a demo upstream."""
    from tests.gateway import running_demo  # noqa: PLC0415 - see above

    async with running_demo() as address:
        yield address


@pytest.fixture
async def start_gateway(tmp_path: Path) -> AsyncIterator[StartGateway]:
    """Return a function that starts the gateway for an upstream, with sections of settings."""
    from tests.gateway import running_gateway  # noqa: PLC0415 - see above

    async with AsyncExitStack() as stack:

        async def start(upstream_url: str, **settings: Any) -> "Gateway":
            return await stack.enter_async_context(
                running_gateway(upstream_url, tmp_path, **settings)
            )

        yield start
