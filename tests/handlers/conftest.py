from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from service.pipeline.usage import encoding
from tests.handlers.scripted import Surroundings, make_gateway

Serve = Callable[..., Awaitable[TestClient]]


@pytest.fixture(scope="session", autouse=True)
def _tables() -> None:
    encoding()


@pytest.fixture
def around() -> Surroundings:
    return Surroundings()


@pytest.fixture
async def serve(around: Surroundings) -> AsyncIterator[Serve]:
    """Start the gateway as the runner does, and return a client of it."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> TestClient:
            server = TestServer(make_gateway(around, **settings))
            await server.start_server(
                access_log=None
            )  # with handler_cancellation, as the runner has it
            return await stack.enter_async_context(TestClient(server))

        yield start
