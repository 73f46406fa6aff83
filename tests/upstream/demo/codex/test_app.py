"""The door of the back end, and both upstreams in one demo."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, DummyCookieJar, web

from tests.upstream.demo.codex.client import RESPONSES, CodexClient, body_of
from upstream.demo.app import make_demo_app
from upstream.demo.ground.options import DemoOptions


@pytest.fixture
async def both() -> AsyncIterator[CodexClient]:
    """A client of a demo that plays both upstreams."""
    options = DemoOptions(delay_seconds=0, codex_account="pro-ann", codex_outcome="denied")
    runner = web.AppRunner(make_demo_app(options), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with ClientSession(cookie_jar=DummyCookieJar()) as session:
        yield CodexClient(session, f"http://127.0.0.1:{runner.addresses[0][1]}", "anna")
    await runner.cleanup()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/backend-api/codex/models?client_version=1.0.0"),
        ("GET", "/backend-api/codex/usage"),
        ("GET", "/backend-api/wham/usage"),
        ("POST", RESPONSES),
        ("POST", f"{RESPONSES}/compact"),
        ("POST", "/backend-api/codex/images/generations"),
    ],
)
async def test_the_door_wants_a_token_and_an_account(
    anna: CodexClient, method: str, path: str
) -> None:
    for name in ("Authorization", "ChatGPT-Account-Id"):
        headers = anna.headers()
        del headers[name]
        answer = await anna.send(method, path, body_of(), headers)
        assert answer.status == 401
    assert (await anna.stats())["by_status"] == {f"{path.partition('?')[0]} 401": 2}


async def test_a_login_of_one_upstream_leaves_the_other_alone(both: CodexClient) -> None:
    await both.exchange()
    assert (await both.ask("hello")).status == 200
    other = {"grant_type": "refresh_token", "refresh_token": "anna", "client_id": "ios"}
    status, answer = await both.token(**other)
    assert status == 200
    assert "refresh_token" not in answer, "the website's demo does not rotate by itself"
    bearer = {"Authorization": f"Bearer {answer['access_token']}"}
    url = f"{both.base}/backend-api/models"
    async with both.session.get(url, headers=bearer) as response:
        assert response.status == 200
    async with both.session.get(url) as response:
        assert response.status == 401


async def test_marked_turns_are_told_with_those_of_the_website(both: CodexClient) -> None:
    await both.exchange()
    await both.ask("/mark m1 /scene reasoning /fault close 1")
    await both.ask("/mark m2 /fault 503")
    async with both.session.get(f"{both.base}/demo/plays") as response:
        plays = await response.json()
    assert [(one["mark"], one["scenario"], one["fault"], one["status"]) for one in plays] == [
        ("m1", "reasoning", "close", 200),
        ("m2", "plain", "503", 503),
    ]


async def test_options_choose_the_login(both: CodexClient) -> None:
    async with both.session.post(f"{both.base}/demo/codex/login", json={}) as response:
        assert await response.json() == {"account": "pro-ann", "outcome": "denied"}


async def test_an_unknown_outcome_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="outcome"):
        make_demo_app(DemoOptions(codex_outcome="sometimes"))
