"""Opening and reading a turn, from an upstream that sends exactly the bytes of the test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

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
    ScriptedUpstream,
    answer,
    scripted_upstream,
)
from tests.upstream.line.readers import read_body
from upstream.http.backend import Backend
from upstream.http.routing import Routes
from upstream.http.session import make_session
from upstream.line.answer_body import AnswerBody
from upstream.website.turn.client import TurnClient

CALLER = Caller("fk-token-of-a-caller", "team", "account")
EVERYWHERE: dict[str, object] = {"connect_seconds": 1}


@pytest.fixture(params=[True, False], ids=["direct", "tapped"], autouse=True)
def _is_direct(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send the turns of every test both ways."""
    monkeypatch.setitem(EVERYWHERE, "direct", request.param)


class Client:
    """A turn client and its counters."""

    def __init__(self, client: TurnClient, routes: Routes, retries: Counter) -> None:
        self.client = client
        self.routes = routes
        self._retries = retries

    @property
    def retries(self) -> float:
        return self._retries._value.get()

    async def open(self) -> AnswerBody:
        return await self.client.open(CALLER, {"model": "m"})


@asynccontextmanager
async def opened(upstream: ScriptedUpstream, **settings: object) -> AsyncIterator[Client]:
    config = UpstreamConfig.model_validate({"base_url": upstream.url} | EVERYWHERE | settings)
    retries = Counter("retries", "x", registry=CollectorRegistry())
    routes = Routes(config.base_url, config.api_prefixes)
    async with make_session(config) as session:
        yield Client(TurnClient(config, Backend(config, routes, session), retries), routes, retries)


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with scripted_upstream() as running:
        yield running


async def read(body: AnswerBody) -> bytes:
    reading = await read_body(body)
    assert reading.ended is not None
    assert reading.ended.how is BodyEnd.CLEAN
    return reading.data


async def test_a_turn_carries_the_caller_and_yields_the_body_as_it_is(upstream) -> None:
    upstream.plays(answer("Hi"), DONE)
    async with opened(upstream, headers={"X-Key": "k"}) as client:
        body = await client.open()
        assert await read(body) == answer("Hi") + DONE
    headers = upstream.turns[0].headers
    assert headers["Authorization"] == "Bearer fk-token-of-a-caller"
    assert headers["ChatGPT-Account-ID"] == "team"
    assert headers["Accept"] == "text/event-stream"
    assert headers["X-Key"] == "k"
    assert headers["User-Agent"].startswith("backend-to-v1/")


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
    monkeypatch.setattr("upstream.http.retries._FIRST_PAUSE_SECONDS", 3600)
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
