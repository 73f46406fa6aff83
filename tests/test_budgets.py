"""Budgets as their holders meet them: exact over worker processes and over gateways."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, TCPConnector

from service.program.ledger import BUDGETS
from service.vocabulary.credentials import Budgets, Credential
from service.vocabulary.gateway_keys import KeyTerms
from service.vocabulary.ledger.budgets import Spent, Window
from storage.secrets.cipher import Cipher
from storage.secrets.key_file import KeyFile
from tests.demo_process import running_demo_process, stats_of
from tests.gateway import SECRET, Gateway, running_demo, running_gateway, until
from tests.redis_server import running_redis
from tests.service.program.gateway_process import GatewayProcess

TOKEN = "fk-stored-for-a-key-with-a-budget"
REQUESTS, BUDGET = 200, 100


# --- several processes -------------------------------------------------------------------


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    with running_demo_process() as address:
        yield address


def write_settings(folder: Path, demo: str, state: str, workers: int) -> None:
    settings = {
        "server": {
            "host": "127.0.0.1",
            "port": 0,
            "workers": workers,
            "drain_seconds": 1,
            "keys_file": f"{folder.parent}/keys.json",
        },
        "upstream": {"base_url": demo, "streams_per_account": 0},
        "tokens": {"secret": SECRET},
        "storage": {"state": state},
    }
    folder.mkdir()
    (folder / "config.yaml").write_text(json.dumps(settings))


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.needs_redis)])
def addresses(request: pytest.FixtureRequest, demo: str, tmp_path: Path) -> Iterator[list[str]]:
    """Return the addresses of one gateway of two workers on SQLite, or of three on Redis."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            places = [("one", "sqlite:data/state.db", 2)]
        else:
            redis = stack.enter_context(running_redis())
            places = [(name, redis.url, 1) for name in ("one", "two", "three")]
        started = []
        for name, state, workers in places:
            write_settings(tmp_path / name, demo, state, workers)
            started.append(GatewayProcess(tmp_path / name, "-m", "service"))
            stack.callback(started[-1].close)
        yield [process.address() for process in started]


def made_key(folder: Path, token: str = TOKEN, **budgets: int) -> str:
    file = KeyFile(folder / "keys.json", Cipher(SECRET.encode()))
    return file.add(KeyTerms("bot", budgets=Budgets(**budgets)), Credential(token))


async def ask(address: str, key: str, text: str = "6*7") -> int:
    """Ask on a connection of its own, so that all workers get some."""
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}
    headers = {"Authorization": f"Bearer {key}"}
    url = f"{address}/v1/chat/completions"
    async with (
        ClientSession(connector=TCPConnector(force_close=True)) as session,
        session.post(url, json=body, headers=headers) as response,
    ):
        await response.read()
        return response.status


async def usage_of(address: str, key: str) -> Any:
    async with (
        ClientSession(headers={"Authorization": f"Bearer {key}"}) as session,
        session.get(f"{address}/v1/usage") as response,
    ):
        assert response.status == 200
        return (await response.json())["key"]


async def test_two_hundred_requests_at_once_let_exactly_a_hundred_through(
    addresses: list[str], demo: str, tmp_path: Path
) -> None:
    key = made_key(tmp_path, requests_per_day=BUDGET, requests_per_month=10 * BUDGET)
    before = stats_of(demo)["turns"]["total"]
    asked = [ask(addresses[number % len(addresses)], key) for number in range(REQUESTS)]
    statuses = Counter(await asyncio.gather(*asked))
    assert statuses == {200: BUDGET, 429: REQUESTS - BUDGET}
    assert stats_of(demo)["turns"]["total"] - before == BUDGET
    for address in addresses:
        usage = await usage_of(address, key)
        assert usage["requests_per_day"]["used"] == BUDGET
        assert usage["requests_per_month"]["used"] == BUDGET
        assert await ask(address, key) == 429


# --- one process -------------------------------------------------------------------------


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with (
        running_demo() as address,
        running_gateway(
            address,
            tmp_path,
            codex={"base_url": f"{address}/backend-api/codex"},
            tokens={"codex_url": f"{address}/oauth/token"},
        ) as gateway,
    ):
        yield gateway


async def test_what_is_used_is_told_and_a_used_up_key_still_sees_it(
    gateway: Gateway, tmp_path: Path
) -> None:
    key = made_key(tmp_path, requests_per_week=2, tokens_per_5_hours=1_000_000)
    headers = {"Authorization": f"Bearer {key}"}
    spent = 0
    for _ in range(2):
        answer = await gateway.chat("6*7", token=key)
        spent += answer.json["usage"]["total_tokens"]
    refused = await gateway.chat("6*7", token=key)
    assert (refused.status, refused.json["error"]["type"]) == (429, "rate_limit_error")
    assert "2 requests in a week" in refused.json["error"]["message"]
    assert refused.headers["x-should-retry"] == "false"
    usage = await usage_of(gateway.url, key)
    assert usage["requests_per_week"]["used"] == 2
    assert usage["tokens_per_5_hours"]["used"] == spent
    assert 0 < int(refused.headers["Retry-After"]) <= 7 * 86_400
    for path in ("/v1/models", "/dashboard/billing/subscription"):
        async with gateway.session.get(gateway.url + path, headers=headers) as response:
            assert response.status == 200


async def test_what_never_went_upstream_is_given_back(gateway: Gateway, tmp_path: Path) -> None:
    key = made_key(tmp_path, requests_per_day=2)
    for body in ({"model": "no such model"}, {"messages": []}, {"max_tokens": "many"}):
        assert (await gateway.chat("6*7", token=key, **body)).status in (400, 404)
    used = (await usage_of(gateway.url, key))["requests_per_day"]["used"]
    assert used == 0
    assert (await gateway.chat("/fault 429 1", token=key)).status == 429  # the upstream's own
    assert (await usage_of(gateway.url, key))["requests_per_day"]["used"] == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_tokens_of_an_answer_that_was_cut_or_left_count(
    gateway: Gateway, tmp_path: Path, stream: bool
) -> None:
    key = made_key(tmp_path, tokens_per_day=1_000_000)
    await gateway.chat("/fault cut 2000", token=key, stream=stream)
    if stream:
        async with gateway.open_chat("/scene long", token=key, stream=True) as response:
            await response.content.readuntil(b'"content":"')
            response.close()

    [held] = gateway.app[BUDGETS]._held.values()
    await until(lambda: _tokens(held.spent) > 0)
    assert (await usage_of(gateway.url, key))["tokens_per_day"]["used"] > 0


def _tokens(spent: Spent) -> int:
    return sum(counts.tokens for counts in spent.get(Window.DAY, {}).values())


async def test_a_retried_answer_is_counted_once(gateway: Gateway, tmp_path: Path) -> None:
    key = made_key(tmp_path, requests_per_day=5, tokens_per_day=1_000_000)
    for _ in range(3):
        answer = await gateway.chat("6*7", token=key, headers={"Idempotency-Key": "one"})
    usage = await usage_of(gateway.url, key)
    assert usage["requests_per_day"]["used"] == 1
    assert usage["tokens_per_day"]["used"] == answer.json["usage"]["total_tokens"]


async def test_each_picture_is_a_turn(gateway: Gateway, tmp_path: Path) -> None:
    key = made_key(tmp_path, requests_per_day=3)
    body = {"prompt": "a boat", "n": 2}
    headers = {"Authorization": f"Bearer {key}"}
    url = f"{gateway.url}/v1/images/generations"
    async with gateway.session.post(url, json=body, headers=headers) as response:
        assert response.status == 200, await response.text()
    assert (await usage_of(gateway.url, key))["requests_per_day"]["used"] == 2


def lose(path: Path) -> None:
    """Put a folder in the place of a file, which then cannot be opened again."""
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/images/generations", {"prompt": "a boat"}),
        ("/v1/responses/compact", {"model": "gpt-5.5", "input": "Hello"}),
        ("/v1/responses", {"model": "gpt-5.5", "input": "Hello", "stream": True}),
    ],
)
async def test_whatever_a_codex_account_is_asked_for_counts(
    gateway: Gateway, tmp_path: Path, path: str, body: dict[str, Any]
) -> None:
    key = made_key(tmp_path, "codex:demo", requests_per_day=1, tokens_per_day=10**6)
    headers = {"Authorization": f"Bearer {key}"}
    for expected in (200, 429):
        async with gateway.session.post(gateway.url + path, json=body, headers=headers) as answer:
            said = await answer.text()
            assert answer.status == expected, said
    usage = await usage_of(gateway.url, key)
    assert usage["requests_per_day"]["used"] == 1
    assert usage["tokens_per_day"]["used"] > 0


async def test_a_store_that_goes_away_costs_no_answer_and_no_budget(
    gateway: Gateway, tmp_path: Path
) -> None:
    key = made_key(tmp_path, requests_per_day=3)
    assert (await gateway.chat("6*7", token=key)).status == 200
    lose(tmp_path / "state.db")
    statuses = [(await gateway.chat("6*7", token=key)).status for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert (await gateway.counts("gateway_state_failures_total", "kind"))["spend"] >= 3
