"""The assembled demo."""

import asyncio

from aiohttp import ClientSession
from aiohttp.test_utils import TestServer

from tests.upstream.demo.conftest import Asker
from tests.upstream.demo.reading import BEARER
from upstream.demo.app import make_demo_app
from upstream.demo.ground.options import DemoOptions


async def test_every_route_works_below_any_prefix(asker: Asker) -> None:
    for prefix in ("", "/secret-prefix", "/two/parts"):
        await asker.get(f"{prefix}/backend-api/models")
        async with asker.session.post(
            f"{asker.base}{prefix}/api/auth/refresh", data={"refresh_token": "x"}
        ) as response:
            assert response.status == 200


async def test_it_stops_at_once_while_an_answer_stalls() -> None:
    server = TestServer(make_demo_app(DemoOptions()))
    await server.start_server()
    async with ClientSession() as session:
        asker = Asker(session, str(server.make_url("")).rstrip("/"))
        body = asker.body("boats /fault stall 0")
        async with session.post(
            asker.base + "/backend-api/conversation", json=body, headers=BEARER
        ) as response:
            await response.content.readany()
            async with asyncio.timeout(20):  # aiohttp waits for a minute
                await server.close()
