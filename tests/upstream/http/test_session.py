from aiohttp import web
from aiohttp_socks import ProxyConnector

from service.settings.config import UpstreamConfig
from upstream.http.session import make_session


async def test_a_session_keeps_no_cookie_of_one_account_for_another(aiohttp_server):
    async def handle(request):
        response = web.Response(text=request.headers.get("Cookie", "none"))
        response.set_cookie("account", "1")
        return response

    app = web.Application()
    app.router.add_get("/", handle)
    server = await aiohttp_server(app)
    async with make_session(UpstreamConfig()) as session:
        for _ in range(2):
            async with session.get(server.make_url("/")) as response:
                assert await response.text() == "none"


async def test_calls_go_through_the_http_proxy_of_the_operator(aiohttp_raw_server):
    async def proxy(request):
        return web.Response(text=f"{request.raw_path} {request.headers.get('Proxy-Authorization')}")

    server = await aiohttp_raw_server(proxy)
    config = UpstreamConfig(proxy=f"http://me:pw@127.0.0.1:{server.port}")
    async with (
        make_session(config) as session,
        session.get("http://up.invalid/backend-api/x") as response,
    ):
        assert await response.text() == "http://up.invalid/backend-api/x Basic bWU6cHc="


async def test_a_socks_proxy_has_a_connector_of_its_own():
    config = UpstreamConfig(proxy="socks5://127.0.0.1:1080")
    async with make_session(config) as session:
        assert isinstance(session.connector, ProxyConnector)
