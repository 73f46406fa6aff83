import asyncio

import pytest
from aiohttp import web

from service.settings.config import UpstreamConfig
from service.vocabulary.errors import UpstreamError
from upstream.http.session import make_session
from upstream.website.turn.arkose import Arkose

PATH = "/api/arkose/token"


@pytest.fixture
async def session():
    async with make_session(UpstreamConfig()) as made:
        yield made


async def test_without_services_there_is_no_token(session):
    assert await Arkose([], session).token() is None


async def test_the_token_of_the_first_service_is_taken(upstream, session):
    upstream.answers("POST", f"/secret{PATH}", {"token": "t-1"})
    assert (
        await Arkose([f"{upstream.base}/secret/", "http://127.0.0.1:9"], session).token() == "t-1"
    )
    assert upstream.bodies == [b"type=gpt-4"]


@pytest.mark.parametrize(
    "fault", [(500, {}), {"token": ""}, {"token": 7}, {"error": "busy"}, (200, b"not json"), [1]]
)
async def test_the_next_service_is_asked_when_one_gives_none(upstream, session, fault):
    upstream.answers("POST", f"/a{PATH}", fault)
    upstream.answers("POST", f"/b{PATH}", {"token": "t-2"})
    arkose = Arkose([f"{upstream.base}/a", f"{upstream.base}/b"], session)
    assert await arkose.token() == "t-2"


async def test_a_silent_and_a_dead_service_are_passed_over(upstream, session):
    async def silent(_request):
        await asyncio.sleep(5)
        return web.Response()

    upstream.answers("POST", f"/a{PATH}", silent)
    upstream.answers("POST", f"/b{PATH}", {"token": "t-2"})
    urls = ["http://127.0.0.1:9", f"{upstream.base}/a", f"{upstream.base}/b"]
    assert await Arkose(urls, session, seconds=0.1).token() == "t-2"


async def test_none_answering_is_a_fault_of_the_upstream_that_names_no_address(session, caplog):
    with pytest.raises(UpstreamError) as caught:
        await Arkose(["http://127.0.0.1:9/secret"], session).token()
    assert caught.value.status == 502
    assert "secret" not in caught.value.message + caplog.text
