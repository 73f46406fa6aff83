import asyncio
import socket

import pytest
from aiohttp import web

from service.settings.config import UpstreamConfig
from service.version import VERSION
from service.vocabulary.credentials import Caller
from service.vocabulary.errors import (
    UpstreamProtocolError,
    UpstreamRefusedError,
    UpstreamTimeoutError,
    UpstreamUnreachableError,
)
from upstream.http import backend as backend_module
from upstream.http.backend import Backend
from upstream.http.routing import Routes
from upstream.http.session import make_session
from upstream.line.direct import DirectAnswer

TOKEN = "eyJhbGciOiJSUzI1NiJ9.e30.secretsecret"
CALLER = Caller(TOKEN, "acc-1", "acc-1")
PERSONAL = Caller(TOKEN, None, "hash")


class Upstream:
    """Answers each path by a list of handlers, the last one again and again."""

    def __init__(self):
        self.requests = []
        self.bodies = []
        self.script = {}

    async def handle(self, request):
        self.requests.append(request)
        self.bodies.append(await request.text())
        steps = self.script[request.path]
        step = steps.pop(0) if len(steps) > 1 else steps[0]
        return await step(request) if callable(step) else step


def answer(status=200, body=None, **kwargs):
    async def step(_request):
        if isinstance(body, dict | list):
            return web.json_response(body, status=status, **kwargs)
        return web.Response(status=status, text=body or "", **kwargs)

    return step


async def hang_up(request):
    request.transport.abort()
    return web.Response()


async def be_slow(_request):
    await asyncio.sleep(5)
    return web.Response()


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(backend_module, "_PAUSE_SECONDS", 0.001)


@pytest.fixture
async def upstream(aiohttp_raw_server):
    up = Upstream()
    server = await aiohttp_raw_server(up.handle)
    up.base = f"http://127.0.0.1:{server.port}"
    return up


@pytest.fixture
async def make_backend():
    made = []

    def make(base, prefixes=(), **settings):
        config = UpstreamConfig(base_url=base, **settings)
        made.append(Backend(config, Routes(base, prefixes), make_session(config)))
        return made[-1]

    yield make
    for backend in made:
        await backend.session.close()


async def test_a_call_carries_the_bearer_the_account_and_the_gateways_name(upstream, make_backend):
    upstream.script["/p-1/backend-api/me"] = [answer(body={"id": "u"})]
    backend = make_backend(upstream.base, ["p-1"], headers={"X-Proxy-Key": "k"})
    assert await backend.call(CALLER, "GET", "me", params={"a": "ü &"}) == {"id": "u"}
    (request,) = upstream.requests
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert request.headers["ChatGPT-Account-ID"] == "acc-1"
    assert request.headers["User-Agent"] == f"backend-to-v1/{VERSION}"
    assert request.headers["X-Proxy-Key"] == "k"
    assert request.headers["Accept"] == "application/json"
    assert request.query["a"] == "ü &"


async def test_a_personal_account_sends_no_account_id_and_the_operator_may_set_the_agent(
    upstream, make_backend
):
    upstream.script["/backend-api/me"] = [answer(body={})]
    backend = make_backend(upstream.base, headers={"user-agent": "mine"})
    await backend.call(PERSONAL, "POST", "me", body={"x": 1})
    (request,) = upstream.requests
    assert "ChatGPT-Account-ID" not in request.headers
    assert request.headers.getall("User-Agent") == ["mine"]
    assert upstream.bodies == ['{"x":1}']


async def test_an_empty_good_answer_is_an_empty_object(upstream, make_backend):
    upstream.script["/backend-api/me"] = [answer(204)]
    assert await make_backend(upstream.base).call(CALLER, "GET", "me") == {}


@pytest.mark.parametrize(
    ("step", "status", "code"),
    [
        (answer(401, {"detail": "Unauthorized"}), 401, "invalid_api_key"),
        (answer(200, {"detail": {"code": "conversation_not_found"}}), 404, "conversation_not_found"),
        (answer(200, {"error": "x"}), 502, "upstream_error"),
        (answer(200, [1]), 502, "upstream_error"),
        (answer(200, "<html>page"), 502, "upstream_error"),
        (answer(302, headers={"Location": "http://127.0.0.1:9/"}), 502, "upstream_error"),
        (answer(429, {"detail": {"clears_in": 3}}), 429, "rate_limit_exceeded"),
    ],
)  # fmt: skip
async def test_what_is_no_good_json_object_is_a_refusal(upstream, make_backend, step, status, code):
    upstream.script["/backend-api/x"] = [step]
    with pytest.raises(UpstreamRefusedError) as caught:
        await make_backend(upstream.base).call(CALLER, "GET", "x")
    assert (caught.value.status, caught.value.code) == (status, code)
    assert len(upstream.requests) == 1


async def test_a_refusal_quotes_neither_bearer_nor_the_operators_key(upstream, make_backend):
    upstream.script["/backend-api/x"] = [answer(400, {"detail": f"bad {TOKEN} of hunter-secret"})]
    backend = make_backend(upstream.base, headers={"X-Key": "hunter-secret"})
    with pytest.raises(UpstreamRefusedError) as caught:
        await backend.call(CALLER, "GET", "x")
    assert "bad *** of ***" in caught.value.message


@pytest.mark.parametrize("fault", [answer(502), answer(503), answer(504), hang_up])
async def test_a_get_is_sent_again_over_another_route(upstream, make_backend, fault):
    upstream.script["/a/backend-api/x"] = [fault]
    upstream.script["/b/backend-api/x"] = [answer(body={"ok": 1})]
    backend = make_backend(upstream.base, ["a", "b"])
    assert await backend.call(CALLER, "GET", "x") == {"ok": 1}
    assert [state.cooling_seconds > 0 for state in backend.routes.states()] == [True, False]


async def test_a_get_gives_up_after_its_retries(upstream, make_backend):
    upstream.script["/backend-api/x"] = [answer(503, {"detail": "busy"})]
    with pytest.raises(UpstreamRefusedError, match="busy"):
        await make_backend(upstream.base, retries=2).call(CALLER, "GET", "x")
    assert len(upstream.requests) == 3


@pytest.mark.parametrize("fault", [answer(503), hang_up])
async def test_a_post_that_may_have_arrived_is_not_sent_again(upstream, make_backend, fault):
    upstream.script["/backend-api/x"] = [fault]
    with pytest.raises((UpstreamRefusedError, UpstreamUnreachableError)):
        await make_backend(upstream.base).call(CALLER, "POST", "x", body={})
    assert len(upstream.requests) == 1


async def test_a_500_is_not_sent_again_but_cools_the_route(upstream, make_backend):
    upstream.script["/a/backend-api/x"] = [answer(500)]
    backend = make_backend(upstream.base, ["a", "b"])
    with pytest.raises(UpstreamRefusedError):
        await backend.call(CALLER, "GET", "x")
    assert backend.routes.states()[0].cooling_seconds > 0


async def test_a_403_of_the_backend_does_not_cool_the_route_and_a_page_does(upstream, make_backend):
    upstream.script["/backend-api/x"] = [
        answer(403, {"detail": "no"}),
        answer(403, "<html>", content_type="text/html"),
    ]
    backend = make_backend(upstream.base)
    for is_cool in (False, True):
        with pytest.raises(UpstreamRefusedError):
            await backend.call(CALLER, "GET", "x")
        assert (backend.routes.states()[0].cooling_seconds > 0) is is_cool


async def test_nothing_listening_is_an_unreachable_upstream_without_its_address(make_backend):
    port = free_port()
    backend = make_backend(f"http://127.0.0.1:{port}", retries=1)
    with pytest.raises(UpstreamUnreachableError) as caught:
        await backend.call(CALLER, "POST", "x", body={})
    assert str(port) not in caught.value.message
    assert caught.value.status == 502


async def test_an_upstream_that_is_gone_is_one_warning_however_many_ask(make_backend, caplog):
    backend = make_backend(f"http://127.0.0.1:{free_port()}", retries=1)
    for _ in range(3):
        with pytest.raises(UpstreamUnreachableError):
            await backend.call(CALLER, "POST", "x", body={})
    assert caplog.messages == ["Connection to the upstream: ClientConnectorError"]


async def test_a_dead_socks_proxy_is_an_unreachable_upstream(make_backend):
    backend = make_backend(
        "http://127.0.0.1:9", proxy=f"socks5://127.0.0.1:{free_port()}", retries=0
    )
    with pytest.raises(UpstreamUnreachableError):
        await backend.call(CALLER, "GET", "x")


async def test_silence_is_a_timeout(upstream, make_backend):
    upstream.script["/backend-api/x"] = [be_slow]
    with pytest.raises(UpstreamTimeoutError) as caught:
        await make_backend(upstream.base).call(CALLER, "GET", "x", seconds=0.05)
    assert caught.value.status == 504


async def test_an_endless_answer_is_not_read_to_its_end(upstream, make_backend, monkeypatch):
    monkeypatch.setattr(backend_module, "MAX_JSON_BYTES", 100)
    upstream.script["/backend-api/x"] = [answer(body={"x": "y" * 200})]
    with pytest.raises(UpstreamProtocolError):
        await make_backend(upstream.base).call(CALLER, "GET", "x")


async def test_a_cancelled_call_is_cancelled(upstream, make_backend):
    upstream.script["/backend-api/x"] = [be_slow]
    task = asyncio.ensure_future(make_backend(upstream.base).call(CALLER, "GET", "x"))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_good_answer_tells_that_its_caller_was_accepted(upstream, make_backend):
    accepted = []
    backend = make_backend(upstream.base, retries=0)
    backend.watch(accepted.append)
    upstream.script["/backend-api/x"] = [
        answer(status=401, body={"detail": "no"}),
        answer(body={"detail": {"code": "token_expired"}}),
        answer(body={"x": 1}),
    ]
    for _ in range(2):
        with pytest.raises(UpstreamRefusedError):
            await backend.call(CALLER, "GET", "x")
    assert accepted == []
    await backend.call(CALLER, "GET", "x")
    assert accepted == [CALLER]


@pytest.mark.parametrize(
    ("settings", "is_direct"),
    [
        ({}, True),
        ({"headers": {"X-Proxy-Key": "k"}}, True),
        ({"direct": False}, False),
        ({"headers": {"host": "chat.test"}}, False),
        ({"headers": {"Connection": "close"}}, False),
    ],
)
async def test_a_turn_goes_directly_unless_it_may_not(upstream, make_backend, settings, is_direct):
    upstream.script["/backend-api/conversation"] = [answer(429, {"detail": "no"})]
    backend = make_backend(upstream.base, **settings)
    url = f"{upstream.base}/backend-api/conversation"
    response = await backend.post_turn(url, b"{}", backend.headers_for(CALLER))
    assert isinstance(response, DirectAnswer) is is_direct
    assert (await backend.refusal_of(response, CALLER)).upstream_status == 429
    (request,) = upstream.requests
    hosts = request.headers.getall("Host")
    assert hosts == [settings.get("headers", {}).get("host", upstream.base.removeprefix("http://"))]
    assert upstream.bodies == ["{}"]


async def test_a_turn_goes_through_the_proxy_of_the_operator(upstream, make_backend):
    upstream.script["/backend-api/conversation"] = [answer(429, {"detail": "no"})]
    backend = make_backend("http://up.invalid", proxy=upstream.base)
    url = "http://up.invalid/backend-api/conversation"
    response = await backend.post_turn(url, b"{}", {})
    assert response.status == 429
    response.close()
