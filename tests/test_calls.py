"""The log of calls: one record a call, the same numbers as the metrics, and nobody's words."""

import asyncio
import json
import resource
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from prometheus_client.parser import text_string_to_metric_families

from service import keys
from service.ledger.ports import CallLog
from service.vocabulary.credentials import Credential
from service.vocabulary.gateway_keys import KeyTerms
from service.vocabulary.ledger.calls import FIRST_TOKEN_MS, Call, CallFilter, Group, TotalsFilter
from storage.ledger.sqlite_calls import SqliteCalls
from storage.secrets.cipher import Cipher
from storage.secrets.key_file import KeyFile
from tests.gateway import SECRET, Gateway, running_demo, running_gateway
from tests.redis_server import RedisServer, running_redis
from tests.service.program.gateway_process import GatewayProcess

TOKEN = "fk-a-token-that-no-log-may-have"
WORDS = "Zanzibar-is-what-the-caller-wrote"


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.needs_redis)])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    if request.param == "sqlite":
        return {"state": f"sqlite:{tmp_path}/state.db"}
    server: RedisServer = request.getfixturevalue("redis")
    server.command("FLUSHALL")
    return {"state": server.url}


async def logged(log: CallLog, number: int) -> list[Call]:
    """Wait until the log has so many calls, and return them, the oldest first."""
    async with asyncio.timeout(20):
        while True:
            calls = (await log.page(CallFilter(), 500)).calls
            if len(calls) >= number:
                return list(reversed(calls))
            await asyncio.sleep(0.05)


async def post(gateway: Gateway, path: str, body: Any, token: str = TOKEN) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    async with gateway.session.post(gateway.url + path, json=body, headers=headers) as response:
        await response.read()
        return response.status


async def make_all_kinds(gateway: Gateway) -> int:
    """Make calls of all kinds and endings; return how many."""
    user = {"role": "user", "content": WORDS}
    await gateway.chat(WORDS, token=TOKEN)
    await gateway.chat(WORDS, token=TOKEN, stream=True)
    await gateway.chat("/fault cut 2000", token=TOKEN, stream=True)
    await gateway.chat("/fault 500", token=TOKEN)
    await gateway.chat("/fault 429 1", token=TOKEN)
    await gateway.chat(WORDS, token=TOKEN, max_tokens=1)
    async with gateway.open_chat("/fault stall 2000", token=TOKEN, stream=True) as response:
        await response.content.readuntil(b'"content"')
        response.close()
    for path, body in (
        ("/v1/chat/completions", {"model": "no such model", "messages": [user]}),
        ("/v1/chat/completions", {"model": "gpt-4o", "messages": []}),
        ("/v1/completions", {"model": "gpt-4o", "prompt": WORDS}),
        ("/v1/responses", {"model": "gpt-4o", "input": WORDS}),
        ("/v1/responses", {"model": "gpt-4o", "input": WORDS, "stream": True}),
        ("/v1/messages", {"model": "gpt-4o", "messages": [user], "max_tokens": 99}),
        ("/v1/images/generations", {"prompt": WORDS}),
        ("/v1/audio/speech", {"model": "gpt-4o", "input": WORDS, "voice": "juniper"}),
    ):
        await post(gateway, path, body)
    await post(gateway, "/v1/chat/completions", {}, token="sk-gw-unknown000")
    return 16


def samples(text: str, name: str, label: str) -> Mapping[str, float]:
    """Return the values of a metric by one label, summed over the others."""
    found: Counter[str] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name and sample.value:
                found[sample.labels.get(label, "")] += sample.value  # type: ignore[assignment]  # a float
    return found


def by(calls: Sequence[Call], name: str) -> Mapping[str, float]:
    return Counter(str(value) for call in calls if (value := getattr(call, name)) is not None)


async def test_metrics_and_the_log_of_calls_have_the_same_numbers(
    storage: dict[str, str], tmp_path: Path
) -> None:
    async with (
        running_demo() as demo,
        running_gateway(demo, tmp_path, storage=storage) as gateway,
    ):
        calls = await logged(gateway.app[keys.CALL_LOG], await make_all_kinds(gateway))
        text = await gateway.metrics()
        hour = 3_600_000
        wanted = TotalsFilter(
            since_ms=min(call.at_ms for call in calls), until_ms=calls[-1].at_ms + hour
        )
        totals = await gateway.app[keys.CALL_LOG].totals(wanted)
    assert samples(text, "gateway_outcomes_total", "outcome") == by(calls, "outcome")
    assert samples(text, "gateway_turns_total", "upstream") == Counter(
        str(call.upstream) for call in calls if call.outcome and call.upstream
    )
    by_status = samples(text, "gateway_requests_total", "status")
    del by_status["200"]  # also of /metrics
    assert by_status == Counter(str(call.status) for call in calls if call.status != 200)
    assert samples(text, "gateway_first_token_seconds_count", "") == {
        "": sum(total.first_tokens for total in totals)
    }
    up_to = samples(text, "gateway_first_token_seconds_bucket", "le")
    counts = [sum(numbers) for numbers in zip(*(t.first_token_counts for t in totals), strict=True)]
    for at, bound in enumerate(FIRST_TOKEN_MS):
        assert up_to.get(f"{bound / 1000}", 0) == sum(counts[: at + 1])
    assert sum(total.calls for total in totals) == len(calls)
    assert sum(t.prompt_tokens + t.completion_tokens for t in totals) == sum(
        (call.prompt_tokens or 0) + (call.completion_tokens or 0) for call in calls
    )


async def test_a_call_has_what_is_known_of_it(storage: dict[str, str], tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json", Cipher(SECRET.encode()))
    key = file.add(KeyTerms("bot"), Credential(TOKEN))
    async with (
        running_demo() as demo,
        running_gateway(demo, tmp_path, storage=storage) as gateway,
    ):
        headers = {"x-request-id": "my-own-id"}
        answer = await gateway.chat(WORDS, token=key, stream=True, headers=headers)
        await gateway.chat("/fault cut 2000", token=key, stream=True)
        whole, cut = await logged(gateway.app[keys.CALL_LOG], 2)
        [total] = await gateway.app[keys.CALL_LOG].totals(
            TotalsFilter(since_ms=whole.at_ms, until_ms=cut.at_ms + 1, by=Group.KEY)
        )
    assert (whole.request_id, whole.key, whole.dialect) == ("my-own-id", key[6:14], "chat")
    assert (whole.model, whole.upstream, whole.outcome) == ("gpt-4o", "website", "complete")
    assert whole.upstream_model
    assert whole.status == 200
    assert whole.bytes > len(answer.text)
    assert whole.first_token_ms is not None
    assert 0 < whole.first_token_ms <= whole.total_ms
    assert whole.prompt_tokens
    assert whole.completion_tokens
    assert whole.is_estimated
    assert whole.account == cut.account
    assert cut.outcome == "cut"
    assert cut.completion_tokens  # counted after its end
    assert total.group == key[6:14]
    assert total.calls == 2


async def test_there_are_no_secrets_and_no_words_in_it(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json", Cipher(SECRET.encode()))
    key = file.add(KeyTerms("bot"), Credential("fk-stored-behind-the-key"))
    async with running_demo() as demo, running_gateway(demo, tmp_path) as gateway:
        number = await make_all_kinds(gateway)
        await gateway.chat(WORDS, token=key)
        await logged(gateway.app[keys.CALL_LOG], number + 1)
    stored = read_all(tmp_path, "calls.db*")
    assert b"gpt-4o" in stored
    for secret in (TOKEN, WORDS, key, key[14:], "fk-stored-behind-the-key", "Demo answer"):
        assert secret.encode() not in stored, secret


def read_all(folder: Path, pattern: str) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob(pattern)))


async def test_texts_are_kept_only_when_asked_for_and_without_secrets(tmp_path: Path) -> None:
    secret = "sk-" + "a1B2" * 8
    async with (
        running_demo() as demo,
        running_gateway(demo, tmp_path, calls={"keep_bodies": "true"}) as gateway,
    ):
        await gateway.chat(f"6*7 and my key is {secret}", token=TOKEN)
        await gateway.chat("x" * 100_000, token=TOKEN)
        first, long = await logged(gateway.app[keys.CALL_LOG], 2)
    assert first.bodies is not None
    bodies = json.loads(first.bodies)
    assert bodies["request"][0]["role"] == "user"
    assert "42" in bodies["answer"]
    assert secret not in first.bodies
    assert long.bodies is not None
    assert len(json.loads(long.bodies)["request"][0]["text"]) == 32 * 1024


async def test_what_is_no_call_leaves_none(tmp_path: Path) -> None:
    async with running_demo() as demo, running_gateway(demo, tmp_path) as gateway:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        for path in ("/healthz", "/", "/v1/models", "/v1/usage", "/nothing"):
            async with gateway.session.get(gateway.url + path, headers=headers) as response:
                await response.read()
        await post(gateway, "/v1/messages/count_tokens", {"model": "gpt-4o", "messages": []})
        await gateway.chat(WORDS, token=TOKEN)
        [call] = await logged(gateway.app[keys.CALL_LOG], 1)
    assert call.outcome == "complete"


async def test_calls_that_were_made_last_are_there_after_a_stop(tmp_path: Path) -> None:
    async with running_demo() as demo, running_gateway(demo, tmp_path) as gateway:
        await gateway.chat(WORDS, token=TOKEN)
    log = SqliteCalls(tmp_path / "calls.db")
    assert len((await log.page(CallFilter(), 10)).calls) == 1
    await log.close()


# --- a full disk -------------------------------------------------------------------------


@pytest.fixture
def process(tmp_path: Path) -> Iterator[GatewayProcess]:
    settings = {"server": {"host": "127.0.0.1", "port": 0}, "log": {"to_file": "false"}}
    (tmp_path / "config.yaml").write_text(json.dumps(settings))
    process = GatewayProcess(tmp_path, "-m", "service")
    yield process
    process.close()


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


async def test_on_a_full_disk_answers_go_on_and_calls_wait_or_are_counted(
    process: GatewayProcess, session: ClientSession, tmp_path: Path
) -> None:
    address = process.address()
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "6*7"}]}

    async def ask() -> int:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        url = f"{address}/v1/chat/completions"
        async with session.post(url, json=body, headers=headers) as response:
            await response.read()
            return response.status

    assert await ask() == 200
    pid, unlimited = process.process.pid, resource.RLIM_INFINITY
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (20_000, unlimited))  # room for its own log
    assert [await ask() for _ in range(5)] == [200] * 5
    async with asyncio.timeout(20):
        while "calls cannot be written" not in process.error:  # noqa: ASYNC110 - a file of another process
            await asyncio.sleep(0.1)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))
    assert await ask() == 200
    log = SqliteCalls(tmp_path / "data" / "calls.db")
    assert len(await logged(log, 7)) == 7
    await log.close()
