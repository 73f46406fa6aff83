import asyncio
import gzip
import io
import json
import logging
import socket
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from handlers.edge.record import RECORD
from service import keys
from service.vocabulary.errors import QueueFullError
from service.vocabulary.events import Outcome
from tests.gateway import until
from tests.handlers.conftest import Serve
from tests.handlers.scripted import BEARER, Surroundings, make_gateway

CHAT = "/v1/chat/completions"
BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}
ERROR_KEYS = {"message", "type", "param", "code"}


async def test_a_sane_request_id_is_kept_and_another_is_replaced(serve: Serve) -> None:
    client = await serve()
    for given in ("abc", "A.b_c-1", "x" * 128):
        response = await client.get("/healthz", headers={"x-request-id": given})
        assert response.headers["x-request-id"] == given
    seen = set()
    for given in ("", "a b", "x" * 129, 'a"', "é", "a/b"):
        response = await client.get("/healthz", headers={"x-request-id": given})
        seen.add(response.headers["x-request-id"])
    assert len(seen) == 6
    assert all(name.startswith("req_") for name in seen)


async def test_every_answer_has_a_request_id(serve: Serve, around: Surroundings) -> None:
    client = await serve()
    answers = [
        await client.get("/v1/models"),
        await client.get("/nothing"),
        await client.delete("/v1/models"),
        await client.post(CHAT),
        await client.post(CHAT, json=BODY, headers=BEARER),
        await client.post(CHAT, json={**BODY, "stream": True}, headers=BEARER),
        await client.options(CHAT, headers={"Origin": "https://a.example"}),
        await client.get("/images/nothing.png"),
    ]
    around.turns.script = [ValueError("bug")]
    answers.append(await client.post(CHAT, json=BODY, headers=BEARER))
    assert [a.status for a in answers] == [200, 404, 405, 401, 200, 200, 204, 404, 500]
    assert all(a.headers["x-request-id"].startswith("req_") for a in answers)


@pytest.mark.parametrize("authorization", ["Authorization", "api-key"])
async def test_no_cache_on_the_way_may_keep_what_belongs_to_a_key(
    serve: Serve, around: Surroundings, tmp_path: Path, authorization: str
) -> None:
    around.folder = tmp_path
    client = await serve()
    key = {authorization: "Bearer fk-test" if authorization != "api-key" else "fk-test"}
    for method, path in (
        ("GET", "/v1/models"),
        ("GET", "/v1/models/gpt-4o"),
        ("GET", "/v1/models/none"),
        ("GET", "/v1/files"),
        ("GET", "/v1/files/file-none/content"),
        ("GET", "/v1/dashboard/billing/usage"),
        ("POST", "/getAccountID"),
        ("POST", CHAT),
        ("GET", "/readyz"),
        ("GET", "/nothing"),
    ):
        response = await client.request(method, path, json=BODY, headers=key)
        assert response.headers["Cache-Control"] == "no-store", path
    stream = await client.post(CHAT, json={**BODY, "stream": True}, headers=key)
    assert stream.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/v1",
        "/v1/",
        "/v1/chat/completions/",
        "//v1/models",
        "/v1//models",
        "/%2e%2e/x",
        "/v1/models/",
        "/healthz/",
        "/images/",
        "/images/a/b",
        "/v2/chat/completions",
        "/nothing?a",
    ],
)
async def test_an_unknown_path_is_a_404_of_json(serve: Serve, path: str) -> None:
    client = await serve()
    url = URL(f"http://{client.host}:{client.port}{path}", encoded=True)
    response = await client.session.get(url, allow_redirects=False)
    assert response.status == 404
    assert response.content_type == "application/json"
    error = (await response.json())["error"]
    assert error.keys() == ERROR_KEYS
    assert (error["type"], error["code"]) == ("invalid_request_error", "not_found")


async def test_a_wrong_method_is_told_the_right_one(serve: Serve) -> None:
    client = await serve()
    for method, path, allowed in (
        ("GET", CHAT, "POST"),
        ("PUT", CHAT, "POST"),
        ("POST", "/v1/models", "GET,HEAD"),
        ("DELETE", "/v1/models/gpt-4o", "GET,HEAD"),
        ("OPTIONS", CHAT, "POST"),
    ):
        response = await client.request(method, path)
        assert response.status == 405
        assert response.headers["Allow"].replace(" ", "") == allowed
        assert (await response.json())["error"]["code"] == "method_not_allowed"


async def test_head_is_answered_where_get_is(serve: Serve) -> None:
    client = await serve()
    for path in ("/v1/models", "/v1/models/gpt-4o", "/healthz", "/readyz", "/metrics", "/"):
        response = await client.head(path)
        assert response.status == 200
        assert await response.read() == b""


async def test_a_bug_is_a_500_whose_details_are_in_the_log_only(
    serve: Serve, around: Surroundings, caplog: pytest.LogCaptureFixture
) -> None:
    around.turns.script = [ValueError("secret detail")]
    response = await (await serve()).post(
        CHAT, json=BODY, headers={**BEARER, "x-request-id": "req-7"}
    )
    assert response.status == 500
    error = (await response.json())["error"]
    assert error.keys() == ERROR_KEYS
    assert "req-7" in error["message"]
    assert "secret" not in error["message"]
    assert "secret detail" in caplog.text


async def test_a_body_that_declares_to_be_over_the_limit_is_refused_readably(
    serve: Serve,
) -> None:
    client = await serve(server={"max_body_bytes": 1_000})
    async with asyncio.timeout(20):
        response = await client.post(CHAT, data=io.BytesIO(b"x" * 20_000_000), headers=BEARER)
    await assert_over_the_limit(response)


async def test_a_caller_that_sends_everything_before_it_reads_sees_the_refusal(
    serve: Serve,
) -> None:
    client = await serve(server={"max_body_bytes": 1_000})

    def send() -> bytes:
        with socket.create_connection((client.host, client.port), timeout=30) as connection:
            head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer fk-test\r\n"
            connection.sendall(f"{head}Content-Length: 20000000\r\n\r\n".encode())
            connection.sendall(b"x" * 20_000_000)
            return connection.recv(100_000)

    assert b" 413 " in await asyncio.to_thread(send)


async def test_a_body_that_grows_over_the_limit_is_refused_readably(serve: Serve) -> None:
    client = await serve(server={"max_body_bytes": 1_000})

    async def pieces():
        for _ in range(200):
            yield b"x" * 100_000

    async with asyncio.timeout(20):
        response = await client.post(CHAT, data=pieces(), headers=BEARER)
    await assert_over_the_limit(response)


async def test_a_packed_body_is_measured_unpacked(serve: Serve) -> None:
    client = await serve(server={"max_body_bytes": 100_000})
    headers = {**BEARER, "Content-Encoding": "gzip", "Content-Type": "application/json"}
    response = await client.post(
        CHAT, data=gzip.compress(json.dumps(BODY).encode()), headers=headers
    )
    assert response.status == 200
    bomb = gzip.compress(b"x" * 10_000_000)
    await assert_over_the_limit(await client.post(CHAT, data=bomb, headers=headers))


async def assert_over_the_limit(response) -> None:
    assert response.status == 413
    error = (await response.json())["error"]
    assert error["code"] == "body_size_exceeded"
    assert "over this server's limit" in error["message"]


async def test_a_body_that_is_not_packed_as_it_says_is_refused(serve: Serve) -> None:
    headers = {**BEARER, "Content-Encoding": "gzip"}
    response = await (await serve()).post(CHAT, data=b"not gzip", headers=headers)
    assert response.status == 400
    assert (await response.json())["error"].keys() == ERROR_KEYS


async def test_the_log_line_holds_no_query_and_no_key(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gateway.access")
    client = await serve()
    await client.get("/v1/models/a%0Ab?key=hidden", headers=BEARER)
    [line] = caplog.records
    assert line.getMessage() == "GET /v1/models/a%0Ab 404"
    assert vars(line)["status"] == 404
    assert "hidden" not in str(vars(line))
    assert "fk-test" not in str(vars(line))
    assert not hasattr(line, "outcome")


async def test_unknown_paths_are_counted_as_one_route(serve: Serve) -> None:
    client = await serve()
    for path in ("/a", "/b"):
        await client.get(path)
    registry = client.app[keys.METRICS].registry
    labels = {"route": "unknown", "status": "404"}
    assert registry.get_sample_value("gateway_requests_total", labels) == 2


async def test_other_refusals_of_the_framework_are_json_too(around: Surroundings) -> None:
    app = make_gateway(around)

    async def refuse(request: web.Request) -> web.Response:
        raise web.HTTPUnsupportedMediaType if request.query else QueueFullError("Wait.")

    app.router.add_get("/refuse", refuse)
    async with TestClient(TestServer(app)) as client:
        response = await client.get("/refuse?a=b")
        assert response.status == 415
        assert (await response.json())["error"]["message"] == "Unsupported Media Type"
        assert (await client.get("/refuse")).status == 429


async def test_a_caller_that_leaves_with_its_answer_in_hand_was_answered(
    around: Surroundings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gateway.access")
    app = make_gateway(around)

    async def stream(request: web.Request) -> web.StreamResponse:
        record, response = request[RECORD], web.StreamResponse()
        await response.prepare(request)
        record.stream, record.outcome = response, Outcome.COMPLETE
        await response.write_eof(b"all of it")
        await asyncio.sleep(30)  # the caller leaves before the work afterwards is done
        return response

    app.router.add_get("/stream", stream)
    async with TestClient(TestServer(app)) as client:
        async with client.get("/stream", headers={"Connection": "close"}) as response:
            assert await response.read() == b"all of it"
        await client.session.close()
        await until(lambda: caplog.records)
    [line] = caplog.records
    assert (vars(line)["status"], vars(line)["outcome"]) == (200, "complete")
