"""What the demo tells of its callers, over a real socket."""

import pytest

from tests.upstream.demo.codex.client import RESPONSES, CodexClient, NewClient, body_of
from upstream.demo.codex.stats import (
    CDN_COOKIE,
    KEPT_BODY_BYTES,
    KEPT_REQUESTS,
    OTHER_COOKIE,
    Stats,
)


async def test_a_good_client_gives_no_cause_for_complaint(anna: CodexClient) -> None:
    await anna.ask("hello")
    stats = await anna.stats()
    assert stats["complaints"] == {}
    assert stats["by_status"] == {f"{RESPONSES} 200": 1}
    assert (stats["streams_open"], stats["exchanges"]) == (0, 1)


@pytest.mark.parametrize(
    ("headers", "complaint"),
    [
        ({"originator": "codex_cli_rs"}, "imitation"),
        ({"User-Agent": "codex_exec/0.9"}, "imitation"),
        ({"originator": ""}, "no_originator"),
        ({"User-Agent": "Python/3.11 aiohttp/3.14"}, "bare_user_agent"),
        ({"x-codex-installation-id": "x"}, "telemetry"),
        ({"version": "1"}, "telemetry"),
        ({"X-OpenAI-Fedramp": "true"}, "fedramp"),
        ({"Cookie": f"{OTHER_COOKIE}=x"}, "kept_other_cookie"),
        ({"Cookie": f"{CDN_COOKIE}=of-another"}, "crossed_cookie"),
    ],
)
async def test_bad_manners_are_told(
    anna: CodexClient, headers: dict[str, str], complaint: str
) -> None:
    await anna.send("POST", RESPONSES, body_of(), anna.headers(**headers))
    assert (await anna.stats())["complaints"] == {complaint: 1}


async def test_a_cookie_of_another_account_is_seen(
    anna: CodexClient, new_client: NewClient
) -> None:
    bob = new_client("bob")
    await bob.exchange()
    cookies = (await anna.ask("hello")).headers.getall("Set-Cookie")
    assert [one.partition("=")[0] for one in cookies] == [CDN_COOKIE, OTHER_COOKIE]
    mine = {"Cookie": cookies[0].partition(";")[0]}
    await anna.send("POST", RESPONSES, body_of(), anna.headers(**mine))
    assert (await anna.stats())["complaints"] == {}
    await bob.send("POST", RESPONSES, body_of(), bob.headers(**mine))
    assert (await anna.stats())["complaints"] == {"crossed_cookie": 1}


async def test_a_fedramp_account_says_so(new_client: NewClient) -> None:
    client = new_client("fedramp-anna")
    await client.exchange()
    headers = client.headers(**{"X-OpenAI-Fedramp": "true"})
    await client.send("POST", RESPONSES, body_of(), headers)
    assert (await client.stats())["complaints"] == {}
    await client.ask("hello")
    assert (await client.stats())["complaints"] == {"fedramp": 1}


async def test_requests_are_kept_without_secrets(anna: CodexClient) -> None:
    headers = anna.headers(Cookie=f"{CDN_COOKIE}=secret-cookie", **{"session-id": "s"})
    await anna.send("POST", RESPONSES, body_of("hello", temperature=1), headers)
    stats = await anna.stats()
    seen = stats["requests"][-1]
    assert (seen["path"], seen["status"]) == (RESPONSES, 400)
    assert seen["headers"]["chatgpt-account-id"] == anna.account.id
    assert seen["headers"]["session-id"] == "s"
    assert "authorization" in seen["header_names"]
    assert seen["cookie_names"] == [CDN_COOKIE]
    for secret in (anna.access_token, anna.refresh_token, "secret-cookie"):
        assert secret not in str(stats)


async def test_bodies_are_kept_as_they_came(anna: CodexClient) -> None:
    await anna.ask("first")
    await anna.ask("second", temperature=1)
    for number, text in ((1, "second"), (2, "first")):
        url = f"{anna.base}/demo/codex/bodies/{number}"
        async with anna.session.get(url) as response:
            assert response.headers["X-Demo-Path"] == RESPONSES
            assert (await response.json())["input"] == body_of(text)["input"]
    async with anna.session.get(f"{anna.base}/demo/codex/bodies/3") as response:
        assert response.status == 404


def test_bodies_are_bounded() -> None:
    stats = Stats()
    for number in range(KEPT_REQUESTS + 5):
        stats.note_body("/x", b"%d" % number)
    assert stats.body(KEPT_REQUESTS) is not None
    assert stats.body(KEPT_REQUESTS + 1) is None
    half = bytes(KEPT_BODY_BYTES // 2 + 1)
    stats.note_body("/x", half)
    stats.note_body("/y", half)
    assert stats.body(2) is None
    assert stats.body(1) is not None
