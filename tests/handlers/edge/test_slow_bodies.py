"""Bodies that arrive slowly, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient

from handlers.edge import slow_bodies
from tests.handlers.conftest import Serve
from tests.handlers.scripted import BEARER, Surroundings

CHAT = "/v1/chat/completions"
BODY = b'{"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}'


@pytest.fixture
async def client(
    serve: Serve, around: Surroundings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> TestClient:
    monkeypatch.setattr(slow_bodies, "GRACE_SECONDS", 0.3)
    monkeypatch.setattr(slow_bodies, "WINDOW_SECONDS", 0.3)
    around.folder = tmp_path
    return await serve()


async def trickle(body: bytes, pause: float, size: int = 1) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]
        await asyncio.sleep(pause)


@pytest.mark.whole
@pytest.mark.parametrize("kind", ["json", "form"])
async def test_a_body_that_trickles_is_given_up(
    client: TestClient, kind: str, tmp_path: Path
) -> None:
    headers = {**BEARER, "Content-Type": "application/json"}
    path, body = CHAT, BODY
    if kind == "form":
        head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
        path, body = "/v1/files", head + b"x" * 1000
        headers["Content-Type"] = "multipart/form-data; boundary=x"
    async with asyncio.timeout(10):
        response = await client.post(path, data=trickle(body, 0.05), headers=headers)
        assert response.status == 408
        error = (await response.json())["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "request_timeout")
    left = await asyncio.to_thread(lambda: [one for one in tmp_path.rglob("*") if one.is_file()])
    assert left == []


@pytest.mark.whole
async def test_a_body_that_stalls_is_given_up(client: TestClient) -> None:
    async with asyncio.timeout(10):
        response = await client.post(CHAT, data=trickle(BODY, 20, 30), headers=BEARER)
        assert response.status == 408


@pytest.mark.whole
async def test_a_body_that_goes_on_fast_enough_is_read_to_its_end(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    padding = b'{"pad": "' + b"x" * 8192 + b'", '
    monkeypatch.setattr(slow_bodies, "WINDOW_BYTES", 600)
    body = trickle(padding + BODY[1:], 0.05, 600)
    response = await client.post(CHAT, data=body, headers=BEARER)
    assert response.status == 200


@pytest.mark.whole
async def test_what_came_before_buys_no_time(client: TestClient) -> None:
    """A megabyte at once, and then nothing: by its average it would have four minutes more."""

    async def body() -> AsyncIterator[bytes]:
        yield b'{"pad": "' + b"x" * 1_000_000
        await asyncio.sleep(20)

    async with asyncio.timeout(10):
        response = await client.post(CHAT, data=body(), headers=BEARER)
        assert response.status == 408


@pytest.mark.whole
async def test_an_answer_may_take_longer_than_its_body(
    client: TestClient, around: Surroundings
) -> None:
    around.turns.script = [0.5, *around.turns.script]
    response = await client.post(CHAT, data=trickle(BODY, 0.01, 30), headers=BEARER)
    assert response.status == 200


@pytest.mark.whole
async def test_a_body_that_waits_for_us_is_not_late(
    client: TestClient, around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange = around.caller

    async def slow(credential):
        await asyncio.sleep(0.8)
        return await exchange(credential)

    monkeypatch.setattr(around, "caller", slow)
    monkeypatch.setattr(slow_bodies, "GRACE_SECONDS", 0.6)
    form = (
        b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n'
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
        b"hello\r\n--x--\r\n"
    )
    headers = {**BEARER, "Content-Type": "multipart/form-data; boundary=x"}

    async def halves() -> AsyncIterator[bytes]:
        """The first half stays unread until the exchange is done; the other comes soon after."""
        yield form[:100]
        await asyncio.sleep(0.9)
        yield form[100:]

    response = await client.post("/v1/files", data=halves(), headers=headers)
    assert response.status == 200, await response.text()
