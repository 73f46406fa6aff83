"""Opening and reading a turn, against an upstream that sends exactly what a test wants."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry, Counter

from service.settings.config import UpstreamConfig
from service.vocabulary.credentials import Caller
from service.vocabulary.errors import (
    UpstreamRefusedError,
    UpstreamTimeoutError,
    UpstreamUnreachableError,
)
from service.vocabulary.events import BodyEnd
from tests.scripted_upstream import (
    DONE,
    STALL,
    Abort,
    Head,
    Pause,
    Raw,
    ScriptedUpstream,
    answer,
    scripted_upstream,
)
from upstream.http.backend import Backend
from upstream.http.routing import Routes
from upstream.http.session import make_session
from upstream.website.turn.client import TurnBody, TurnClient

CALLER = Caller("fk-token-of-a-caller", "team", "account")


class Client:
    """A turn client, and what it counted."""

    def __init__(self, client: TurnClient, routes: Routes, retries: Counter) -> None:
        self.client = client
        self.routes = routes
        self._retries = retries

    @property
    def retries(self) -> float:
        return self._retries._value.get()

    async def open(self) -> TurnBody:
        return await self.client.open(CALLER, {"model": "m"})


@asynccontextmanager
async def opened(upstream: ScriptedUpstream, **settings: object) -> AsyncIterator[Client]:
    config = UpstreamConfig.model_validate(
        {"base_url": upstream.url, "connect_seconds": 1} | settings
    )
    retries = Counter("retries", "x", registry=CollectorRegistry())
    routes = Routes(config.base_url, config.api_prefixes)
    async with make_session(config) as session:
        yield Client(TurnClient(config, Backend(config, routes, session), retries), routes, retries)


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with scripted_upstream() as running:
        yield running


async def read(body: TurnBody, patience: float | None = None) -> bytes:
    count = 0
    data = b""
    async with aclosing(body.chunks(lambda: count, lambda: patience)) as chunks:
        async for chunk in chunks:
            data += chunk
            count += 0 if chunk.startswith(b":") else 1
    return data


def ended(body: TurnBody) -> BodyEnd | None:
    return body.ended.how if body.ended else None


async def test_a_turn_carries_the_caller_and_yields_the_body_as_it_is(upstream) -> None:
    upstream.plays(answer("Hi"), DONE)
    async with opened(upstream, headers={"X-Key": "k"}) as client:
        body = await client.open()
        assert await read(body) == answer("Hi") + DONE
        assert ended(body) is BodyEnd.CLEAN
    headers = upstream.turns[0].headers
    assert headers["Authorization"] == "Bearer fk-token-of-a-caller"
    assert headers["ChatGPT-Account-ID"] == "team"
    assert headers["Accept"] == "text/event-stream"
    assert headers["X-Key"] == "k"
    assert headers["User-Agent"].startswith("backend-to-v1/")


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


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_passing_status_is_tried_again(upstream, status: int) -> None:
    upstream.plays({"detail": "later"}, head=Head(status))
    upstream.plays(DONE)
    async with opened(upstream) as client:
        assert await read(await client.open()) == DONE
        assert client.retries == 1


async def test_a_short_limit_is_waited_for_and_a_long_one_is_not(upstream) -> None:
    upstream.plays({"detail": "slow down"}, head=Head(429, headers={"Retry-After": "0.1"}))
    upstream.plays({"detail": {"clears_in": 6}}, head=Head(429))
    async with opened(upstream) as client:
        with pytest.raises(UpstreamRefusedError) as caught:
            await client.open()
        assert (caught.value.status, caught.value.retry_after_seconds) == (429, 6)
        assert client.retries == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
async def test_other_statuses_are_not_tried_again(upstream, status: int) -> None:
    upstream.plays({"detail": "no"}, head=Head(status))
    async with opened(upstream) as client:
        with pytest.raises(UpstreamRefusedError):
            await client.open()
        assert len(upstream.turns) == 1


@pytest.mark.whole
async def test_tries_end_and_the_last_error_is_raised(upstream) -> None:
    upstream.plays(Abort())
    async with opened(upstream, retries=2) as client:
        with pytest.raises(UpstreamUnreachableError):
            await client.open()
        assert len(upstream.turns) == 3


async def test_a_page_under_a_good_status_is_a_refusal_and_cools_its_route(upstream) -> None:
    upstream.plays(b"<html>Just a moment...</html>", head=Head(content_type="text/html"))
    async with opened(upstream, api_prefixes=["one", "two"]) as client:
        with pytest.raises(UpstreamRefusedError) as caught:
            await client.open()
        assert caught.value.status == 502
        assert "<html>" not in caught.value.message
        assert [state.cooling_seconds > 0 for state in client.routes.states()] == [True, False]


@pytest.mark.parametrize("failure", [Abort(), Head(503)])
async def test_another_route_is_tried_at_once(
    upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch, failure: Abort | Head
) -> None:
    monkeypatch.setattr("upstream.website.turn.client._FIRST_PAUSE_SECONDS", 3600)
    if isinstance(failure, Abort):
        upstream.plays(failure)
    else:
        upstream.plays({"detail": "busy"}, head=failure)
    upstream.plays(DONE)
    async with opened(upstream, api_prefixes=["one", "two"]) as client:
        async with asyncio.timeout(20):
            body = await client.open()
        assert await read(body) == DONE
        assert [state.state for state in client.routes.states()] == ["cooling", "working"]
    assert [turn.path.split("/")[1] for turn in upstream.turns] == ["one", "two"]
    assert client.retries == 1


async def test_a_route_that_refuses_one_account_has_shown_that_it_works(upstream) -> None:
    upstream.plays({"detail": "slow down"}, head=Head(429))
    async with opened(upstream, api_prefixes=["one", "two"]) as client:
        for route in client.routes.all:
            client.routes.cool(route)
        with pytest.raises(UpstreamRefusedError):
            await client.open()
        assert [state.state for state in client.routes.states()] == ["working", "cooling"]


async def test_a_redirect_is_not_followed_with_the_bearer(upstream) -> None:
    upstream.plays(b"", head=Head(302, headers={"Location": f"{upstream.url}/elsewhere"}))
    async with opened(upstream) as client:
        with pytest.raises(UpstreamRefusedError):
            await client.open()
        assert len(upstream.turns) == 1


async def test_a_head_that_does_not_come_is_a_timeout(upstream) -> None:
    upstream.plays(STALL)
    async with opened(upstream, first_event_seconds=0.2) as client:
        with pytest.raises(UpstreamTimeoutError):
            await client.open()
        await upstream.turns[0].closed.wait()


async def test_a_resume_names_its_place_and_its_token(upstream) -> None:
    upstream.resume_script = (Head(), [DONE])
    async with opened(upstream) as client:
        body = await client.client.resume(CALLER, "c1", 7, "conduit")
        assert await read(body) == DONE
    assert upstream.resumed[0].body == {"conversation_id": "c1", "offset": 7}
    assert upstream.resumed[0].headers["X-Conduit-Token"] == "conduit"


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
