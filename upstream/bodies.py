"""Bodies of answers, read up to a limit."""

from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import orjson

from service.errors import UpstreamProtocolError


def json_object(raw: bytes) -> dict[str, Any] | None:
    """Return the JSON object in a body, or None."""
    try:
        obj = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return obj if isinstance(obj, dict) else None


async def chunks_within(
    response: aiohttp.ClientResponse, max_bytes: int
) -> AsyncGenerator[bytes, None]:
    """Yield a body, any slices of it.

    Raises:
        UpstreamProtocolError: it is over the limit.
    """
    size = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > max_bytes:
            raise UpstreamProtocolError("The upstream's answer is over the size that is read.")
        yield chunk


async def read_start(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """Return a body up to about that many bytes."""
    start = bytearray()
    async for chunk in response.content.iter_any():
        start += chunk
        if len(start) >= max_bytes:
            break
    return bytes(start)


async def read_limited(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """Return a whole body.

    Raises:
        UpstreamProtocolError: it is over the limit.
    """
    return b"".join([chunk async for chunk in chunks_within(response, max_bytes)])
