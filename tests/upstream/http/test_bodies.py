import asyncio
import tracemalloc
import weakref
import zlib

import aiohttp
import orjson
import pytest
from aiohttp import web

from service.vocabulary.errors import UpstreamProtocolError
from tests.garbage import without_collector
from tests.rows import each_row
from tests.scripted_upstream import Pause, Raw, scripted_upstream
from upstream.http import bodies
from upstream.http.bodies import (
    chunks_within,
    json_object,
    long_json_object,
    read_limited,
    read_start,
)


@pytest.fixture
def body(upstream, backend):
    """Return a function that opens an answer of so many bytes."""

    def of(size):
        upstream.answers("GET", "/body", (200, b"x" * size))
        return backend.session.get(f"{upstream.base}/body")

    return of


@pytest.mark.parametrize("size", [0, 1, 100_000])
async def test_a_body_within_the_limit_is_read_whole(body, size):
    async with body(size) as response:
        assert await read_limited(response, 100_000) == b"x" * size


async def test_an_answer_that_was_read_is_freed_without_the_garbage_collector(body):
    async def read():
        async with body(100) as response:
            await read_limited(response, 100)
            return weakref.ref(response)

    with without_collector():
        assert (await read())() is None


async def test_a_body_over_the_limit_is_an_error(body):
    async with body(100_001) as response:
        with pytest.raises(UpstreamProtocolError):
            await read_limited(response, 100_000)


async def test_chunks_are_the_body_in_slices(body):
    async with body(500_000) as response:
        assert sum([len(chunk) async for chunk in chunks_within(response, 500_000)]) == 500_000


async def test_only_the_start_of_a_long_body_is_read(body):
    async with body(900_000) as response:
        assert 1000 <= len(await read_start(response, 1000)) < 900_000
    async with body(10) as response:
        assert await read_start(response, 1000) == b"x" * 10


@pytest.mark.parametrize("packing", ["gzip", "deflate"])
async def test_a_packed_body_is_measured_unpacked_and_never_unpacked_whole(
    upstream, backend, packing
):
    pack = zlib.compressobj(9, wbits=31 if packing == "gzip" else 15)
    bomb = b"".join(pack.compress(bytes(1 << 20)) for _ in range(16)) + pack.flush()

    async def answer(_request):
        return web.Response(body=bomb, headers={"Content-Encoding": packing})

    upstream.answers("GET", "/bomb", answer)
    tracemalloc.start()
    try:
        async with backend.session.get(f"{upstream.base}/bomb") as response:
            with pytest.raises(UpstreamProtocolError):
                await read_limited(response, 1 << 20)
        async with backend.session.get(f"{upstream.base}/bomb") as response:
            assert len(await read_start(response, 1000)) < 1 << 20
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20


@pytest.mark.whole
async def test_a_body_that_breaks_ends_also_where_the_parser_tells_nobody(backend):
    async with scripted_upstream() as upstream:
        upstream.plays(b"x" * 10, Pause(0.05), Raw(b"zz\r\nx\r\n"))
        for read in (read_start, read_limited):
            url = f"{upstream.url}/backend-api/conversation"
            async with asyncio.timeout(20), backend.session.post(url, json={}) as response:
                with pytest.raises(aiohttp.ClientPayloadError):
                    await read(response, 1000)


@pytest.mark.whole
async def test_a_body_that_breaks_while_nobody_reads_is_an_error_of_the_network(backend):
    async with scripted_upstream() as upstream:
        upstream.plays(b"x" * 10, Pause(0.05), Raw(b"zz\r\nx\r\n"))
        url = f"{upstream.url}/backend-api/conversation"
        async with asyncio.timeout(20), backend.session.post(url, json={}) as response:
            chunks = chunks_within(response, 1000)
            assert await anext(chunks) == b"x" * 10
            await asyncio.sleep(0.3)
            with pytest.raises(aiohttp.ClientPayloadError):
                await anext(chunks)


@each_row(("raw", "found"), [(b'{"a": 1}', {"a": 1}), (b"[1]", None), (b"", None), (b"{", None)])
def test_only_an_object_is_an_object(raw, found):
    assert json_object(raw) == found


async def others_meanwhile(work):
    """Return the result of the work, and how often other tasks ran meanwhile."""
    task, turns = asyncio.ensure_future(work), 0
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
    return await task, turns


@each_row(
    "value",
    [
        {"mapping": {f"m{index}": {"parts": ["word " * 100, 1, None]} for index in range(10_000)}},
        {"list": [[index] * 10 for index in range(40_000)], "text": "x" * 3_000_000},
        {"a": {"b": {"c": {"d": ["x" * 1000] * 3000}}}, "e": {"f": ["y" * 2_000_000, {}]}},
        {f"k{index}": "\U0001f600" * 40 for index in range(20_000)},
    ],
)
async def test_others_run_while_a_long_object_is_decoded(value):
    raw = orjson.dumps(value)
    decoded, turns = await others_meanwhile(long_json_object(raw))
    assert decoded == value
    assert turns > len(raw) / (128 * 1024)


@pytest.mark.parametrize("body", [b'{"a": ' + b"x" * 2_000_000, b"[" * 2_000_000, b" " * 2_000_000])
async def test_a_long_body_that_is_no_object_is_none(body, monkeypatch):
    monkeypatch.setattr(bodies, "MAX_JSON_VALUES", 10_000_000)
    assert await long_json_object(body) is None


async def test_an_object_of_too_many_values_is_not_decoded():
    with pytest.raises(UpstreamProtocolError, match="values"):
        await long_json_object(b'{"a": [' + b"[]," * 1_000_000 + b"1]}")
