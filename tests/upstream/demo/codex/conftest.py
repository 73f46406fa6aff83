"""A demo upstream on a real socket, a clock that can be moved, and clients of accounts."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, DummyCookieJar, web

from tests.upstream.demo.codex.client import CodexClient, NewClient
from upstream.demo.codex.app import add_codex
from upstream.demo.ground.delivery import prepare
from upstream.demo.ground.options import DemoOptions


class Clock:
    """The time of tokens and limits."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def options() -> DemoOptions:
    return DemoOptions(delay_seconds=0)


@pytest.fixture
async def base(options: DemoOptions, clock: Clock) -> AsyncIterator[str]:
    """The address of a demo that has the Codex upstream alone."""

    async def others(_request: web.Request) -> web.Response:
        return web.json_response({"access_token": "of another client"})

    app = web.Application(client_max_size=64 * 1024 * 1024)
    prepare(app, options)
    add_codex(app, options, others, clock)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def new_client(base: str) -> AsyncIterator[NewClient]:
    async with ClientSession(cookie_jar=DummyCookieJar()) as session:
        yield lambda name: CodexClient(session, base, name)


@pytest.fixture
async def anna(new_client: NewClient) -> CodexClient:
    """The client of an account on the plan plus, signed in."""
    client = new_client("anna")
    await client.exchange()
    return client
