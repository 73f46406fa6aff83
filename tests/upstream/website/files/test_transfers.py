import asyncio
import socket

import pytest
from aiohttp import web

from service.settings.config import UpstreamConfig
from service.vocabulary.credentials import Caller
from service.vocabulary.errors import (
    UpstreamProtocolError,
    UpstreamRefusedError,
    UpstreamUnreachableError,
)
from upstream.http import backend as backend_module
from upstream.http.backend import Backend
from upstream.http.bodies import chunks_within, read_limited
from upstream.http.routing import Routes
from upstream.http.session import make_session
from upstream.website.files.transfers import Transfers

CALLER = Caller("token-of-the-caller", "acc-1", "acc-1")


class Host:
    """One origin that remembers the requests to each path."""

    def __init__(self):
        self.steps = {}
        self.requests = []
        self.bodies = []

    async def handle(self, request):
        self.requests.append(request)
        self.bodies.append(await request.read())
        steps = self.steps[request.raw_path]
        step = steps.pop(0) if len(steps) > 1 else steps[0]
        return await step(request)

    @property
    def bearers(self):
        return [request.headers.get("Authorization") for request in self.requests]


def gives(body=b"bytes", status=200):
    async def step(_request):
        return web.Response(body=body, status=status)

    return [step]


def leads_to(location):
    async def step(_request):
        return web.Response(status=302, headers={"Location": location})

    return [step]


async def breaks(request):
    response = web.StreamResponse()
    response.content_length = 100
    await response.prepare(request)
    await response.write(b"half")
    request.transport.abort()
    return response


async def hangs_up(request):
    request.transport.abort()
    return web.Response()


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(backend_module, "_PAUSE_SECONDS", 0.001)


@pytest.fixture
async def own(aiohttp_raw_server):
    return await _host(aiohttp_raw_server)


@pytest.fixture
async def foreign(aiohttp_raw_server):
    return await _host(aiohttp_raw_server)


async def _host(aiohttp_raw_server):
    host = Host()
    server = await aiohttp_raw_server(host.handle)
    host.base = f"http://127.0.0.1:{server.port}"
    return host


@pytest.fixture
async def transfers(own):
    config = UpstreamConfig(base_url=own.base, headers={"X-Key": "operator"})
    async with make_session(config) as session:
        yield Transfers(
            Backend(config, Routes(own.base, ["p"]), session), {"files.test": own.base[7:]}
        )


async def fetched(transfers, link):
    async with transfers.download(CALLER, link) as response:
        return await read_limited(response, 1000)


async def test_an_estuary_link_gets_the_bearer_and_the_account(own, transfers):
    path = "/p/backend-api/estuary/content?id=1&sig=a%2Fb"
    own.steps[path] = gives()
    assert await fetched(transfers, path.removeprefix("/p")) == b"bytes"
    assert own.bearers == ["Bearer token-of-the-caller"]
    assert own.requests[0].headers["ChatGPT-Account-ID"] == "acc-1"
    assert await fetched(transfers, f"https://chatgpt.com{path.removeprefix('/p')}") == b"bytes"


async def test_a_signed_link_of_another_host_gets_neither_bearer_nor_the_operators_key(
    foreign, transfers
):
    foreign.steps["/blob?sig=x%3D"] = gives()
    assert await fetched(transfers, f"{foreign.base}/blob?sig=x%3D") == b"bytes"
    (request,) = foreign.requests
    for name in ("Authorization", "ChatGPT-Account-ID", "X-Key"):
        assert name not in request.headers


async def test_another_port_or_name_of_the_upstreams_machine_is_another_origin(own, transfers):
    own.steps["/x"] = gives()
    await fetched(transfers, f"{own.base.replace('127.0.0.1', 'localhost')}/x")
    assert own.bearers == [None]


async def test_the_bearer_does_not_follow_a_redirect_elsewhere_nor_back(own, foreign, transfers):
    own.steps["/p/backend-api/a"] = leads_to(f"{foreign.base}/b")
    foreign.steps["/b"] = leads_to("c?x=1")
    foreign.steps["/c?x=1"] = leads_to(f"{own.base}/d")
    own.steps["/d"] = gives()
    assert await fetched(transfers, "/backend-api/a") == b"bytes"
    assert own.bearers == ["Bearer token-of-the-caller", None]
    assert foreign.bearers == [None, None]


async def test_the_bearer_follows_a_redirect_on_the_same_origin(own, transfers):
    own.steps["/p/backend-api/a"] = leads_to("/d")
    own.steps["/d"] = gives()
    await fetched(transfers, "/backend-api/a")
    assert own.bearers == ["Bearer token-of-the-caller"] * 2


async def test_a_rewritten_host_is_asked_in_place_of_the_first(own, transfers):
    own.steps["/f?sig=1"] = gives(b"rewritten")
    assert await fetched(transfers, "http://files.test/f?sig=1") == b"rewritten"


async def test_redirects_without_an_end_are_given_up(foreign, transfers):
    foreign.steps["/a"] = leads_to("/a")
    with pytest.raises(UpstreamProtocolError, match="without an end"):
        await fetched(transfers, f"{foreign.base}/a")


async def test_a_redirect_to_another_scheme_is_refused(foreign, transfers):
    foreign.steps["/a"] = leads_to("file:///etc/passwd")
    with pytest.raises(UpstreamProtocolError):
        await fetched(transfers, f"{foreign.base}/a")


async def test_a_missing_file_is_a_refusal(foreign, transfers):
    foreign.steps["/a"] = gives(b"BlobNotFound", 404)
    with pytest.raises(UpstreamRefusedError) as caught:
        await fetched(transfers, f"{foreign.base}/a")
    assert caught.value.upstream_status == 404


async def test_a_passing_fault_is_tried_again(foreign, transfers):
    foreign.steps["/a"] = [*gives(b"", 503), hangs_up, *gives()]
    assert await fetched(transfers, f"{foreign.base}/a") == b"bytes"


async def test_a_body_that_breaks_is_an_error(foreign, transfers):
    foreign.steps["/a"] = [breaks]
    with pytest.raises(UpstreamUnreachableError):
        await fetched(transfers, f"{foreign.base}/a")


async def test_a_body_over_the_limit_is_an_error(foreign, transfers):
    foreign.steps["/a"] = gives(b"x" * 2000)
    with pytest.raises(UpstreamProtocolError):
        await fetched(transfers, f"{foreign.base}/a")


async def test_nothing_listening_is_unreachable(transfers):
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    with pytest.raises(UpstreamUnreachableError):
        await fetched(transfers, f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize("size", [0, 5, 900_000])
async def test_a_body_is_put_whole_without_the_bearer(foreign, transfers, size, tmp_path):
    foreign.steps["/blob?sig=1"] = gives(b"", 201)
    path = tmp_path / "body"
    path.write_bytes(b"x" * size)
    for source in (path, path.read_bytes()):
        await transfers.put(f"{foreign.base}/blob?sig=1", source, "image/png")
    for request, body in zip(foreign.requests, foreign.bodies, strict=True):
        assert request.method == "PUT"
        assert "Authorization" not in request.headers
        assert request.headers["x-ms-blob-type"] == "BlockBlob"
        assert request.headers["Content-Type"] == "image/png"
        assert request.headers["Content-Length"] == str(size)
        assert len(body) == size


async def test_an_empty_media_type_is_sent_empty(foreign, transfers):
    foreign.steps["/blob"] = gives(b"", 201)
    await transfers.put(f"{foreign.base}/blob", b"x", "")
    assert foreign.requests[0].headers["Content-Type"] == ""


async def test_a_put_to_the_upstream_itself_carries_the_operators_key_but_no_bearer(own, transfers):
    own.steps["/p/blob"] = gives(b"", 201)
    await transfers.put("/blob", b"x", "text/plain")
    assert own.bearers == [None]
    assert own.requests[0].headers["X-Key"] == "operator"


async def test_a_put_is_tried_again_and_sends_the_whole_body_again(foreign, transfers, tmp_path):
    foreign.steps["/blob"] = [*gives(b"", 503), *gives(b"", 201)]
    path = tmp_path / "body"
    path.write_bytes(b"body")
    await transfers.put(f"{foreign.base}/blob", path, "text/plain")
    assert foreign.bodies == [b"body", b"body"]


async def test_a_refused_put_is_an_error(foreign, transfers):
    foreign.steps["/blob"] = gives(b"AuthenticationFailed", 403)
    with pytest.raises(UpstreamRefusedError):
        await transfers.put(f"{foreign.base}/blob", b"x", "text/plain")


async def test_a_cancelled_download_closes_its_connection(own, transfers):
    started, closed = asyncio.Event(), asyncio.Event()

    async def endless(request):
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                started.set()
                await response.write(b"x")
                await asyncio.sleep(0.01)
        finally:
            closed.set()

    own.steps["/p/backend-api/a"] = [endless]

    async def read():
        async with transfers.download(CALLER, "/backend-api/a") as response:
            async for _ in chunks_within(response, 10**9):
                pass

    task = asyncio.ensure_future(read())
    await asyncio.wait_for(started.wait(), 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(closed.wait(), 20)
