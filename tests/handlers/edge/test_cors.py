import pytest

from tests.handlers.conftest import Serve
from tests.handlers.scripted import BEARER

CHAT = "/v1/chat/completions"
ORIGIN = {"Origin": "https://chat.example"}
STREAM = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}


async def test_a_preflight_needs_no_key_and_gets_its_headers_echoed(serve: Serve) -> None:
    wanted = "authorization, content-type, x-stainless-arch, x-stainless-new-one"
    headers = {**ORIGIN, "Access-Control-Request-Method": "POST"}
    headers["Access-Control-Request-Headers"] = wanted
    for path in (CHAT, "/v1/images/generations", "/images/a.png"):
        response = await (await serve()).options(path, headers=headers)
        assert response.status == 204
        assert await response.read() == b""
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert response.headers["Access-Control-Allow-Headers"] == wanted
        assert "POST" in response.headers["Access-Control-Allow-Methods"]
        assert int(response.headers["Access-Control-Max-Age"]) > 0
        assert set(response.headers.getall("Vary")) == {"Origin", "Access-Control-Request-Headers"}


@pytest.mark.parametrize("wanted", ["", "a\u00e9", "x" * 5_000])
async def test_a_preflight_with_odd_headers_gets_the_usual_ones(serve: Serve, wanted: str) -> None:
    headers = {**ORIGIN, "Access-Control-Request-Headers": wanted}
    response = await (await serve()).options(CHAT, headers=headers)
    assert response.status == 204
    assert response.headers["Access-Control-Allow-Headers"] == "authorization, content-type"


async def test_answers_errors_and_streams_may_be_read_by_pages(serve: Serve) -> None:
    client = await serve()
    answers = [
        await client.get("/v1/models", headers=ORIGIN),
        await client.get("/nothing", headers=ORIGIN),
        await client.post(CHAT, headers=ORIGIN),
        await client.post(CHAT, json=STREAM, headers={**ORIGIN, **BEARER}),
    ]
    assert [a.status for a in answers] == [200, 404, 401, 200]
    for answer in answers:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "x-request-id" in answer.headers["Access-Control-Expose-Headers"]
        assert answer.headers["Vary"] == "Origin"


async def test_only_the_named_origins_are_allowed(serve: Serve) -> None:
    client = await serve(server={"cors_origins": ["https://chat.example", "https://b.example"]})
    for origin, allowed in (
        ("https://chat.example", "https://chat.example"),
        ("https://evil.example", None),
        ("null", None),
        ("", None),
    ):
        for answer in (
            await client.get("/v1/models", headers={"Origin": origin}),
            await client.options(CHAT, headers={"Origin": origin}),
        ):
            assert answer.headers.get("Access-Control-Allow-Origin") == allowed
            assert "Origin" in answer.headers.getall("Vary")
