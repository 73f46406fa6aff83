"""Responses in the background, as callers of one or two gateways see them."""

import asyncio
from typing import Any

from tests.gateway import ACCESS_TOKEN, Gateway

UNFINISHED = ("queued", "in_progress")


async def call(
    gateway: Gateway, method: str, path: str = "", token: str = ACCESS_TOKEN, **fields: Any
) -> tuple[int, Any]:
    """Send a request below `/v1/responses`; return the status and the JSON of the answer."""
    headers = {"Authorization": f"Bearer {token}"}
    url = f"{gateway.url}/v1/responses{path}"
    async with gateway.session.request(method, url, headers=headers, **fields) as response:
        return response.status, await response.json()


async def begun(gateway: Gateway, text: str = "Hello", **body: Any) -> Any:
    """Begin a response in the background; return its object."""
    asked = {"model": "gpt-4o", "input": text, "background": True, **body}
    status, response = await call(gateway, "POST", json=asked)
    assert status == 200, response
    return response


async def ended(gateway: Gateway, response_id: str, seconds: float = 10) -> Any:
    """Poll a response to its end."""
    async with asyncio.timeout(seconds):
        while True:
            status, response = await call(gateway, "GET", f"/{response_id}")
            assert status == 200, response
            if response["status"] not in UNFINISHED:
                return response
            await asyncio.sleep(0.02)


async def events_of(gateway: Gateway, response_id: str, query: str = "") -> bytes:
    """Read the stream of a response to its end, without comments."""
    headers = {"Authorization": f"Bearer {ACCESS_TOKEN}"}
    url = f"{gateway.url}/v1/responses/{response_id}?stream=true{query}"
    async with gateway.session.get(url, headers=headers) as response:
        assert response.status == 200, await response.text()
        assert response.content_type == "text/event-stream"
        return without_comments(await response.read())


def without_comments(stream: bytes) -> bytes:
    """Return a stream without its comments."""
    blocks = stream.split(b"\n\n")
    return b"\n\n".join(block for block in blocks if not block.startswith(b":"))


async def outcomes(gateway: Gateway) -> dict[str, float]:
    """Return the outcomes of turns once there are any: a turn is counted when all is kept."""
    async with asyncio.timeout(30):
        while True:
            if found := await gateway.outcomes():
                return found
            await asyncio.sleep(0.02)
