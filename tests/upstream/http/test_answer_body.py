"""The body of a turn, from an upstream that sends exactly the bytes of the test."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import aiohttp
import pytest

from service.settings.config import UpstreamConfig
from service.vocabulary.events import BodyEnd
from tests.scripted_upstream import (
    DONE,
    STALL,
    Abort,
    Pause,
    Raw,
    ScriptedUpstream,
    answer,
    scripted_upstream,
)
from upstream.http.answer_body import READ_BYTES, AnswerBody
from upstream.http.body_reader import ReadBuffer
from upstream.http.session import make_session


class Client:
    """Opens bodies."""

    def __init__(self, session: aiohttp.ClientSession, url: str, config: UpstreamConfig) -> None:
        self._session = session
        self._url = url
        self._config = config

    async def open(self) -> AnswerBody:
        url = f"{self._url}/backend-api/conversation"
        response = await self._session.post(url, data=b"{}", read_bufsize=READ_BYTES)
        return AnswerBody(response, self._config, ReadBuffer(READ_BYTES))


@asynccontextmanager
async def opened(upstream: ScriptedUpstream, **settings: object) -> AsyncIterator[Client]:
    config = UpstreamConfig.model_validate({"base_url": upstream.url} | settings)
    async with make_session(config) as session:
        yield Client(session, upstream.url, config)


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with scripted_upstream() as running:
        yield running


async def read(body: AnswerBody, patience: float | None = None) -> bytes:
    count = 0
    data = b""
    async with aclosing(body.chunks(lambda: count, lambda: patience)) as chunks:
        async for chunk in chunks:
            data += chunk
            count += 0 if chunk.startswith(b":") else 1
    return data


def ended(body: AnswerBody) -> BodyEnd | None:
    return body.ended.how if body.ended else None


async def test_a_broken_connection_is_a_cut(upstream) -> None:
    upstream.plays(answer("Hi"), Pause(0.05), Abort())
    async with opened(upstream) as client:
        body = await client.open()
        assert await read(body) == answer("Hi")
        assert ended(body) is BodyEnd.CUT


@pytest.mark.parametrize("broken", [b"zz\r\nx\r\n", b"ffff\r\nabc"], ids=["no size", "half"])
async def test_a_broken_chunk_is_a_cut(upstream, broken: bytes) -> None:
    upstream.plays(answer("Hi"), Pause(0.05), Raw(broken))
    async with asyncio.timeout(5), opened(upstream) as client:
        body = await client.open()
        assert (await read(body)).startswith(answer("Hi"))
        assert ended(body) is BodyEnd.CUT


@pytest.mark.whole
async def test_a_connection_that_went_while_nobody_read_is_a_cut(upstream) -> None:
    upstream.plays(answer("Hi"), Pause(0.05), Raw(b"zz\r\nx\r\n"))
    async with asyncio.timeout(5), opened(upstream) as client:
        body = await client.open()
        async with aclosing(body.chunks(lambda: 0, lambda: None)) as chunks:
            assert await anext(chunks) == answer("Hi")
            await asyncio.sleep(0.3)
            assert [chunk async for chunk in chunks] == []
        assert ended(body) is BodyEnd.CUT


@pytest.mark.whole
@pytest.mark.parametrize(
    ("steps", "settings"),
    [
        ([answer("Hi"), STALL], {"idle_seconds": 0.3}),
        ([b": hello\n\n", STALL], {"first_event_seconds": 0.3}),
        ([answer("Hi"), *[b": ping\n\n", Pause(0.1)] * 50], {"idle_seconds": 0.4}),
        ([*[answer("Hi"), Pause(0.1)] * 50], {"turn_seconds": 0.5}),
    ],
)
async def test_silence_ends_the_body_and_closes_the_connection(upstream, steps, settings) -> None:
    upstream.plays(*steps)
    async with opened(upstream, **settings) as client:
        body = await client.open()
        started = time.monotonic()
        await read(body)
        assert ended(body) is BodyEnd.SILENT
        assert time.monotonic() - started < 2
        await upstream.turns[0].closed.wait()


@pytest.mark.whole
async def test_silence_after_a_last_word_is_borne_as_long_as_asked(upstream) -> None:
    upstream.plays(answer("Hi"), STALL)
    async with opened(upstream) as client:
        body = await client.open()
        await read(body, patience=0.2)
        assert ended(body) is BodyEnd.SILENT


@pytest.mark.whole
async def test_events_keep_a_slow_answer_alive(upstream) -> None:
    upstream.plays(*[answer("Hi"), Pause(0.15)] * 5, DONE)
    async with opened(upstream, idle_seconds=0.5, first_event_seconds=0.5) as client:
        body = await client.open()
        await read(body)
        assert ended(body) is BodyEnd.CLEAN


@pytest.mark.whole
async def test_a_caller_that_does_not_read_is_not_the_upstream_s_silence(upstream) -> None:
    upstream.plays(answer("Hi"), Pause(0.05), DONE)
    async with opened(upstream, idle_seconds=0.2) as client:
        body = await client.open()
        data = b""
        async with aclosing(body.chunks(lambda: len(data), lambda: None)) as chunks:
            async for chunk in chunks:
                data += chunk
                await asyncio.sleep(0.4)
        assert ended(body) is BodyEnd.CLEAN


async def test_a_body_that_is_left_is_closed_at_once(upstream) -> None:
    upstream.plays(answer("Hi"), STALL)
    async with opened(upstream) as client:
        body = await client.open()
        async with aclosing(body.chunks(lambda: 0, lambda: None)) as chunks:
            await anext(chunks)
        await upstream.turns[0].closed.wait()


async def test_a_stop_of_the_gateway_ends_the_body(upstream) -> None:
    upstream.plays(answer("Hi"), STALL)
    async with opened(upstream) as client:
        body = await client.open()
        async with aclosing(body.chunks(lambda: 0, lambda: None)) as chunks:
            await anext(chunks)
            body.shut_down()
            assert [chunk async for chunk in chunks] == []
        assert ended(body) is BodyEnd.SHUTDOWN


async def test_a_bug_in_what_takes_the_bytes_is_not_the_upstreams_cut(
    upstream: ScriptedUpstream,
) -> None:
    def broken(_chunk: bytes) -> bytes:
        raise ValueError("of the test")

    upstream.plays(answer("Hi"), DONE)
    async with opened(upstream) as client:
        body = await client.open()
        with pytest.raises(ValueError, match="of the test"):
            async for _ in body.chunks(lambda: 0, lambda: None, broken):
                pass
    assert body.ended is None
