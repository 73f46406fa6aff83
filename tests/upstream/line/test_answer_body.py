"""The body of a turn, from an upstream that sends exactly the bytes of the test."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

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
from tests.upstream.line.readers import BodyReading, read_body
from upstream.http.session import make_session
from upstream.line.answer_body import AnswerBody
from upstream.line.direct import DirectPoster
from upstream.line.tapped_session import tapped_session


class Client:
    """Opens bodies; of three ways, "plain" is that of what comes through neither tap."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, config: UpstreamConfig, way: str
    ) -> None:
        self._url = f"{url}/backend-api/conversation"
        self._config = config
        self._session = tapped_session(session, None) if way == "tapped" else session
        self._direct = DirectPoster(session) if way == "direct" else None

    async def open(self) -> AnswerBody:
        if self._direct is not None:
            return AnswerBody(await self._direct.post(self._url, b"{}", {}), self._config)
        return AnswerBody(await self._session.post(self._url, data=b"{}"), self._config)


@asynccontextmanager
async def opened(
    upstream: ScriptedUpstream, *, way: str = "direct", **settings: object
) -> AsyncIterator[Client]:
    config = UpstreamConfig.model_validate({"base_url": upstream.url} | settings)
    async with make_session(config) as session:
        yield Client(session, upstream.url, config, way)


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with scripted_upstream() as running:
        yield running


def how(reading: BodyReading) -> BodyEnd | None:
    return reading.ended.how if reading.ended else None


every_way = pytest.mark.parametrize("way", ["direct", "tapped", "plain"])


@every_way
async def test_a_whole_body_ends_cleanly(upstream, way: str) -> None:
    upstream.plays(answer("Hi"), Pause(0.05), DONE)
    async with opened(upstream, way=way) as client:
        reading = await read_body(await client.open())
        assert (reading.data, how(reading)) == (answer("Hi") + DONE, BodyEnd.CLEAN)


@every_way
async def test_a_broken_connection_is_a_cut(upstream, way: str) -> None:
    upstream.plays(answer("Hi"), Pause(0.05), Abort())
    async with opened(upstream, way=way) as client:
        reading = await read_body(await client.open())
        assert (reading.data, how(reading)) == (answer("Hi"), BodyEnd.CUT)


@every_way
@pytest.mark.parametrize("broken", [b"zz\r\nx\r\n", b"ffff\r\nabc"], ids=["no size", "half"])
async def test_a_broken_chunk_is_a_cut(upstream, broken: bytes, way: str) -> None:
    upstream.plays(answer("Hi"), Pause(0.05), Raw(broken))
    async with opened(upstream, way=way) as client:
        reading = await read_body(await client.open())
        assert reading.data.startswith(answer("Hi"))
        assert how(reading) is BodyEnd.CUT


@pytest.mark.whole
@pytest.mark.parametrize(
    ("steps", "settings"),
    [
        ([answer("Hi"), STALL], {"idle_seconds": 0.3}),
        ([b": hello\n\n", STALL], {"first_event_seconds": 0.3}),
        ([answer("Hi"), *[b": ping\n\n", Pause(0.1)] * 400], {"idle_seconds": 0.4}),
        ([*[answer("Hi"), Pause(0.1)] * 400], {"turn_seconds": 0.5}),
    ],
)
async def test_silence_ends_the_body_and_closes_the_connection(upstream, steps, settings) -> None:
    upstream.plays(*steps)
    async with opened(upstream, **settings) as client:
        body = await client.open()
        started = time.monotonic()
        assert how(await read_body(body)) is BodyEnd.SILENT
        assert time.monotonic() - started < 20
        await upstream.turns[0].closed.wait()


@pytest.mark.whole
async def test_silence_after_a_last_word_is_borne_as_long_as_asked(upstream) -> None:
    upstream.plays(answer("Hi"), STALL)
    async with opened(upstream) as client:
        body = await client.open()
        assert how(await read_body(body, patience=0.2)) is BodyEnd.SILENT


@pytest.mark.whole
async def test_events_keep_a_slow_answer_alive(upstream) -> None:
    upstream.plays(*[answer("Hi"), Pause(0.15)] * 5, DONE)
    async with opened(upstream, idle_seconds=0.5, first_event_seconds=0.5) as client:
        body = await client.open()
        assert how(await read_body(body)) is BodyEnd.CLEAN


@pytest.mark.whole
@every_way
async def test_a_pause_is_not_the_upstreams_silence_and_brings_nothing(upstream, way: str) -> None:
    more = [step for _ in range(5) for step in (Pause(0.05), answer("Hi, you"))]
    upstream.plays(answer("Hi"), *more, DONE)
    async with opened(upstream, way=way, idle_seconds=0.2) as client:
        body, reading = await client.open(), BodyReading()
        body.start(reading)
        await reading.has_some.wait()
        body.pause()
        await asyncio.sleep(0.5)
        assert len(reading.pieces) == 1
        body.resume()
        await reading.is_over.wait()
        assert reading.data == answer("Hi") + answer("Hi, you") * 5 + DONE
        assert how(reading) is BodyEnd.CLEAN


@every_way
async def test_a_body_that_is_left_is_closed_at_once(upstream, way: str) -> None:
    upstream.plays(answer("Hi"), STALL)
    async with opened(upstream, way=way) as client:
        body, reading = await client.open(), BodyReading()
        body.start(reading)
        await reading.has_some.wait()
        body.close()
        await upstream.turns[0].closed.wait()
        assert reading.ended is None


@pytest.mark.parametrize("is_early", [True, False])
async def test_a_stop_of_the_gateway_ends_the_body(upstream, is_early: bool) -> None:
    upstream.plays(answer("Hi"), STALL)
    async with opened(upstream) as client:
        body, reading = await client.open(), BodyReading()
        if is_early:
            body.shut_down()
        body.start(reading)
        if not is_early:
            await reading.has_some.wait()
            body.shut_down()
        assert how(reading) is BodyEnd.SHUTDOWN
        body.close()
        await upstream.turns[0].closed.wait()
