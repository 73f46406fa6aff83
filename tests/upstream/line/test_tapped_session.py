"""The session whose answers have taps."""

import aiohttp
from aiohttp import web

from tests.upstream.line.readers import TapReading
from upstream.line.tapped_session import TappedResponse, tapped_session


async def chunked(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Set-Cookie": "seen=1"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    await response.write(f"cookies: {request.headers.get('Cookie')}".encode())
    return response


async def test_it_shares_the_connections_and_keeps_no_cookies(aiohttp_server) -> None:
    app = web.Application()
    app.router.add_get("/", chunked)
    server = await aiohttp_server(app)
    async with aiohttp.ClientSession() as session:
        streams = tapped_session(session, None)
        for _ in range(2):
            async with streams.get(server.make_url("/")) as response:
                assert isinstance(response, TappedResponse)
                assert response.tap is not None
                reading = TapReading()
                response.tap.attach(reading.on_bytes, reading.on_end)
                await reading.is_over.wait()
                assert reading.data == b"cookies: None"
        assert session.connector is not None
        assert len(session.connector._conns) == 1
        await streams.close()
        assert not session.closed
        async with session.get(server.make_url("/")) as plain:
            assert await plain.text() == "cookies: None"
            assert not isinstance(plain, TappedResponse)
