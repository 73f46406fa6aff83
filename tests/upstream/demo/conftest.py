"""A demo upstream on a real socket, and a caller that asks it things."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import ClientSession, web

from tests.upstream.demo.reading import BEARER, Stream, read
from upstream.demo.app import make_demo_app
from upstream.demo.ground.options import DemoOptions


def user(text: str) -> dict[str, Any]:
    return {
        "id": str(uuid4()),
        "author": {"role": "user"},
        "content": {"content_type": "text", "parts": [text]},
        "metadata": {},
    }


class Asker:
    """Asks one demo upstream."""

    def __init__(self, session: ClientSession, base: str) -> None:
        self.session = session
        self.base = base

    def body(self, text: str, **fields: Any) -> dict[str, Any]:
        return {
            "action": "next",
            "messages": [user(text)],
            "parent_message_id": str(uuid4()),
            "model": "gpt-4o",
            **fields,
        }

    async def ask(self, text: str, **fields: Any) -> Stream:
        async with self.post("/backend-api/conversation", self.body(text, **fields)) as response:
            assert response.status == 200, await response.text()
            return read(await response.read())

    def post(self, path: str, body: Any, **more: Any) -> Any:
        return self.session.post(self.base + path, json=body, headers=BEARER, **more)

    async def get(self, path: str, status: int = 200) -> Any:
        async with self.session.get(self.base + path, headers=BEARER) as response:
            assert response.status == status, await response.text()
            return await response.json()

    async def stats(self) -> Any:
        return await self.get("/demo/stats")

    async def sees(self, **figures: int) -> None:
        """Wait until the demo counts so many.

        Raises:
            AssertionError: it counts others, also after the time that a busy machine may take.
        """
        end = asyncio.get_running_loop().time() + 20
        seen: dict[str, int] = {}
        while seen != figures and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.02)
            stats = await self.stats()
            seen = {name: stats[name] for name in figures}
        assert seen == figures


@pytest.fixture
def options() -> DemoOptions:
    return DemoOptions(delay_seconds=0, later_seconds=0.3)


@pytest.fixture
def cancels() -> bool:
    """Whether the server cancels the handlers of callers that left; the command does not."""
    return False


@pytest.fixture
async def asker(options: DemoOptions, cancels: bool) -> AsyncIterator[Asker]:
    runner = web.AppRunner(
        make_demo_app(options), handler_cancellation=cancels, shutdown_timeout=0.5
    )
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with ClientSession() as session:
        yield Asker(session, f"http://127.0.0.1:{runner.addresses[0][1]}")
    await runner.cleanup()
