"""Bodies of answers, read up to a limit; long JSON is decoded without blocking other requests."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any

import aiohttp
import msgspec
import orjson

from service.vocabulary.errors import UpstreamProtocolError
from service.vocabulary.json_values import counted
from upstream.line.tapped_session import UpstreamAnswer

# Ten times the values of a stored conversation of some thousand messages.
MAX_JSON_VALUES = 1_000_000
_AT_ONCE_BYTES = 1024 * 1024  # of JSON, which take some milliseconds to decode
_LOT_BYTES = 256 * 1024
_MAX_LEVELS = 3  # nested lists and objects deeper than this are decoded in one piece
_LOOK_SECONDS = 1.0
_BROKE = "The connection broke within a body."


def json_object(raw: bytes) -> dict[str, Any] | None:
    """Return the JSON object in a body, or None if it is anything else."""
    try:
        obj = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return obj if isinstance(obj, dict) else None


async def long_json_object(raw: bytes) -> dict[str, Any] | None:
    """Return the JSON object in a body of any length, or None; other tasks run while it is decoded.

    Raises:
        UpstreamProtocolError: it has more than `MAX_JSON_VALUES`.
    """
    if len(raw) <= _AT_ONCE_BYTES:
        return json_object(raw)
    for count in counted(raw):
        if count > MAX_JSON_VALUES:
            message = f"The upstream's answer has over {MAX_JSON_VALUES} values in it."
            raise UpstreamProtocolError(message)
        await asyncio.sleep(0)
    try:
        obj = await _decoded(memoryview(raw), _MAX_LEVELS)
    except (msgspec.DecodeError, orjson.JSONDecodeError, UnicodeDecodeError, RecursionError):
        return None
    return obj if isinstance(obj, dict) else None


async def _decoded(raw: memoryview, levels: int) -> object:
    """Return the value of a JSON text, decoding a long list or object piece by piece."""
    first = bytes(raw[:64]).lstrip()[:1]
    if len(raw) <= _AT_ONCE_BYTES or not levels or first not in (b"{", b"["):
        await asyncio.sleep(0)
        return orjson.loads(raw)
    if first == b"[":
        items = msgspec.json.decode(raw, type=list[msgspec.Raw])
        return [value async for value in _each(items, levels - 1)]
    fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    values = [value async for value in _each(fields.values(), levels - 1)]
    return dict(zip(fields, values, strict=True))


async def _each(parts: Iterable[msgspec.Raw], levels: int) -> AsyncGenerator[object, None]:
    """Yield the value of each part; other tasks run after every `_LOT_BYTES` of short parts."""
    waiting = 0
    for part in parts:
        raw = memoryview(part)
        if len(raw) > _AT_ONCE_BYTES:
            yield await _decoded(raw, levels)
            continue
        yield orjson.loads(raw)
        waiting += len(raw)
        if waiting > _LOT_BYTES:
            waiting = 0
            await asyncio.sleep(0)


def end_if_lost(response: UpstreamAnswer) -> bool:
    """End a body whose connection is gone while it waits for more; true if it was one.

    When a chunk of the body is malformed, aiohttp's C parser closes the connection and tells no
    reader.
    """
    content, connection = response.content, response.connection
    is_waiting = content.exception() is None and not content.is_eof()
    if not is_waiting or connection is None or connection.transport is not None:
        return False
    content.set_exception(aiohttp.ClientPayloadError(_BROKE))
    return True


async def _pieces(response: UpstreamAnswer) -> AsyncGenerator[bytes, None]:
    """Yield a body as it arrives; every failure is an `aiohttp.ClientError`."""
    try:
        with _Watched(response):
            async for chunk in response.content.iter_any():
                yield chunk
    except RuntimeError as error:  # aiohttp: the connection was lost between reads
        raise aiohttp.ClientPayloadError(_BROKE) from error


class _Watched:
    """Checks the connection every second for as long as the body is read."""

    def __init__(self, response: UpstreamAnswer) -> None:
        self._response = response
        self._loop = asyncio.get_running_loop()

    def __enter__(self) -> None:
        self._timer = self._loop.call_later(_LOOK_SECONDS, self._look)

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        if not end_if_lost(self._response):
            self._timer = self._loop.call_later(_LOOK_SECONDS, self._look)


async def chunks_within(response: UpstreamAnswer, max_bytes: int) -> AsyncGenerator[bytes, None]:
    """Yield a body in slices of any size.

    Raises:
        UpstreamProtocolError: it is over the limit.
    """
    size = 0
    async with aclosing(_pieces(response)) as pieces:
        async for chunk in pieces:
            size += len(chunk)
            if size > max_bytes:
                raise UpstreamProtocolError("The upstream's answer is over the size that is read.")
            yield chunk


async def read_start(response: UpstreamAnswer, max_bytes: int) -> bytes:
    """Return the start of a body, at least `max_bytes` of it or all."""
    start = bytearray()
    async with aclosing(_pieces(response)) as pieces:
        async for chunk in pieces:
            start += chunk
            if len(start) >= max_bytes:
                break
    return bytes(start)


async def read_limited(response: UpstreamAnswer, max_bytes: int) -> bytes:
    """Return a whole body.

    Raises:
        UpstreamProtocolError: it is over the limit.
    """
    return b"".join([chunk async for chunk in chunks_within(response, max_bytes)])
