"""Two worker processes before the demo's Codex: one exchange, and one limit, for both (spec 14.4)."""

import asyncio
import hashlib
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.demo_process import running_demo_process
from tests.gateway import Answer
from tests.service.program.signing_in import codex_stats, expire, settings_for
from tests.worker_pairs import CHAT, REQUESTS, STORES, callers, running_pairs

MODEL = "gpt-6-sol"
LONG, SHORT = 3600, 3  # seconds until a limit begins anew
FEW = 12
WAITING_SECONDS = 60
LIMIT = "/backend-api/codex/responses 429"

pytestmark = [pytest.mark.whole, pytest.mark.needs_redis]


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    with running_demo_process() as address:
        yield address


@pytest.fixture(scope="module")
def gateways(demo: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Return the addresses of two gateways of two workers each, by the store that they share."""
    settings = settings_for(demo)
    settings["upstream"] |= {"queue_per_account": 2 * REQUESTS, "streams_per_account": REQUESTS}
    with running_pairs(tmp_path_factory, settings) as started:
        yield started


def asked(text: str) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}]}


def exchanges(demo: str, name: str) -> int:
    key = hashlib.sha256(name.encode()).hexdigest()[:8]
    return int(codex_stats(demo)["exchanges_by_account"].get(key, 0))


@pytest.mark.parametrize("store", STORES)
async def test_a_hundred_requests_of_two_workers_on_an_expired_token_are_one_exchange(
    demo: str, gateways: dict[str, str], store: str
) -> None:
    name = f"ada-on-{store}"
    async with callers(gateways[store]) as asking:
        await asking.by_worker()
        for count in (1, 2):  # the token is new; then the back end ends its access token
            answers = await asking.ask_all(f"codex:{name}~1", asked("hello"))
            assert [answer.status for answer in answers] == [200] * REQUESTS
            assert exchanges(demo, name) == count
            expire(demo)


def assert_rests(answer: Answer, seconds: int) -> None:
    assert (answer.status, answer.headers["x-should-retry"]) == (429, "false"), answer.body
    assert 0 < int(answer.headers["Retry-After"]) <= seconds


@pytest.mark.parametrize("store", STORES)
async def test_an_account_at_its_limit_is_asked_for_nothing_more_by_either_worker(
    demo: str, gateways: dict[str, str], store: str
) -> None:
    token, before = f"codex:eve-on-{store}~1", codex_stats(demo)
    async with callers(gateways[store], FEW) as asking:
        (one, *_), others = (await asking.by_worker()).values()
        for session in (one, others[0]):
            assert (await asking.ask(session, token, asked("hello"))).status == 200
        assert_rests(await asking.ask(one, token, asked(f"/fault limit {LONG}")), LONG)
        for path, body in (
            (CHAT, asked("hello")),
            (CHAT, {**asked("hello"), "stream": True}),
            ("/v1/responses", {"model": MODEL, "input": "hello"}),
            ("/v1/completions", {"model": MODEL, "prompt": "hello"}),
            ("/v1/messages", {**asked("hello"), "max_tokens": 9}),
        ):
            for answer in await asking.ask_all(token, body, path):
                assert_rests(answer, LONG)
        draw = {
            "tools": [{"type": "image_generation"}],
            "tool_choice": {"type": "image_generation"},
        }
        body = {"model": MODEL, "input": "draw a boat", **draw}
        for answer in await asking.ask_all(token, body, "/v1/responses"):
            assert answer.json["output"][0]["type"] == "image_generation_call"
    after = codex_stats(demo)
    assert after["asked_while_resting"] == before["asked_while_resting"]
    assert after["by_status"][LIMIT] == before["by_status"].get(LIMIT, 0) + 1


@pytest.mark.parametrize("store", STORES)
async def test_at_its_time_the_account_is_asked_again_and_not_before(
    demo: str, gateways: dict[str, str], store: str
) -> None:
    token, before = f"codex:joe-on-{store}~1", codex_stats(demo)
    async with callers(gateways[store], FEW) as asking:
        workers = (await asking.by_worker()).values()
        for sessions in workers:
            assert (await asking.ask(sessions[0], token, asked("hello"))).status == 200
        limited = await asking.ask(asking.sessions[0], token, asked(f"/fault limit {SHORT}"))
        assert limited.status == 429
        for sessions in workers:
            until = time.monotonic() + WAITING_SECONDS
            while (await asking.ask(sessions[0], token, asked("hello"))).status == 429:
                assert time.monotonic() < until
                await asyncio.sleep(0.05)
    after = codex_stats(demo)
    assert after["asked_while_resting"] == before["asked_while_resting"]
    assert after["by_status"][LIMIT] == before["by_status"].get(LIMIT, 0) + 1
