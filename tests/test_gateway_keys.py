"""Gateway keys as their holders use them, with the official SDK, and in several processes."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
from aiohttp import ClientSession, TCPConnector
from openai import AsyncOpenAI

from service.vocabulary.credentials import Credential
from service.vocabulary.gateway_keys import KeyTerms
from storage.secrets.cipher import Cipher, load_or_create_secret
from storage.secrets.key_file import KeyFile
from tests.demo_process import running_demo_process
from tests.gateway import SECRET, Gateway, running_demo, running_gateway
from tests.service.program.gateway_process import GatewayProcess

STORED = Credential("a-refresh-token-that-both-keys-stand-for")
MESSAGES: list[Any] = [{"role": "user", "content": "what is 6*7"}]


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "keys.json", Cipher(SECRET.encode()))


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    server = {"keys_file": str(tmp_path / "keys.json")}
    async with running_demo() as demo, running_gateway(demo, tmp_path, server=server) as gateway:
        yield gateway


@asynccontextmanager
async def client_of(gateway: Gateway, key: str) -> AsyncIterator[AsyncOpenAI]:
    url = f"{gateway.url}/v1"
    async with AsyncOpenAI(api_key=key, base_url=url, max_retries=0) as client:
        yield client


async def test_keys_of_one_credential_see_nothing_of_each_other(
    gateway: Gateway, file: KeyFile
) -> None:
    mine, other = (file.add(KeyTerms(name), STORED) for name in ("mine", "other"))
    async with client_of(gateway, mine) as client:
        upload = await client.files.create(file=("a.txt", b"private words"), purpose="user_data")
        kept = await client.responses.create(model="gpt-4o", input="My name is Ada.")
        assert (await client.files.content(upload.id)).content == b"private words"
        went_on = await client.responses.create(
            model="gpt-4o", input="What did I say?", previous_response_id=kept.id
        )
        assert "Ada" in went_on.output_text
    part = {"type": "file", "file": {"file_id": upload.id}}
    with_file: list[Any] = [{"role": "user", "content": [part]}]
    for stranger in (other, STORED.token):
        async with client_of(gateway, stranger) as client:
            assert [one.id async for one in client.files.list()] == []
            for forbidden in (
                client.files.retrieve(upload.id),
                client.files.content(upload.id),
                client.files.delete(upload.id),
                client.responses.retrieve(kept.id),
                client.responses.delete(kept.id),
                client.responses.input_items.list(kept.id),
            ):
                with pytest.raises(openai.NotFoundError):
                    await forbidden
            for named in (
                client.responses.create(
                    model="gpt-4o", input="Hello", previous_response_id=kept.id
                ),
                client.chat.completions.create(model="gpt-4o", messages=with_file),
            ):
                with pytest.raises((openai.NotFoundError, openai.BadRequestError)):
                    await named


async def test_an_idempotency_key_joins_requests_of_one_gateway_key_only(
    gateway: Gateway, file: KeyFile
) -> None:
    mine, other = (file.add(KeyTerms(name), STORED) for name in ("mine", "other"))
    ids = {}
    for name, key in (("mine", mine), ("again", mine), ("other", other)):
        async with client_of(gateway, key) as client:
            reply = await client.chat.completions.create(
                model="gpt-4o", messages=MESSAGES, extra_headers={"Idempotency-Key": "the same"}
            )
            ids[name] = reply.conversation_id  # type: ignore[attr-defined]  # an extra field
    assert ids["mine"] == ids["again"] != ids["other"]


async def test_a_key_is_good_until_it_is_revoked_and_the_token_is_exchanged(
    gateway: Gateway, file: KeyFile
) -> None:
    key = file.add(KeyTerms("bot", requests_per_minute=2), STORED)
    async with client_of(gateway, key) as client:
        for _ in range(2):
            reply = await client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
            assert "42" in (reply.choices[0].message.content or "")
        with pytest.raises(openai.RateLimitError) as refused:
            await client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
        assert 1 <= int(refused.value.response.headers["Retry-After"]) <= 60
        file.revoke("bot")
        with pytest.raises(openai.AuthenticationError, match="Incorrect API key provided"):
            await client.chat.completions.create(model="gpt-4o", messages=MESSAGES)


# --- several processes -------------------------------------------------------------------


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    with running_demo_process() as address:
        yield address


@pytest.fixture
def workers(demo: str, tmp_path: Path) -> Iterator[GatewayProcess]:
    settings = {
        "server": {
            "host": "127.0.0.1",
            "port": 0,
            "workers": 2,
            "drain_seconds": 1,
            "keys_file": "data/keys.json",
        },
        "upstream": {"base_url": demo},
        "tokens": {"oaifree_url": f"{demo}/api/auth/refresh"},
    }
    (tmp_path / "config.yaml").write_text(json.dumps(settings))
    process = GatewayProcess(tmp_path, "-m", "service")
    yield process
    process.close()


@pytest.mark.whole
async def test_all_workers_know_a_key_its_limits_and_its_end_without_a_restart(
    workers: GatewayProcess, tmp_path: Path
) -> None:
    address = workers.address()
    secret = load_or_create_secret(tmp_path / "data" / "secret.key")
    file = KeyFile(tmp_path / "data" / "keys.json", Cipher(secret))
    key = file.add(KeyTerms("bot", requests_per_minute=14, concurrent_requests=2), STORED)
    headers = {"Authorization": f"Bearer {key}"}

    async def ask(text: str) -> int:
        """Ask on a new connection, so that both workers get some."""
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}
        url = f"{address}/v1/chat/completions"
        async with (
            ClientSession(connector=TCPConnector(force_close=True)) as session,
            session.post(url, json=body, headers=headers) as response,
        ):
            await response.read()
            return response.status

    at_once = await asyncio.gather(*(ask("/fault slowbody 1.5") for _ in range(8)))
    assert sorted(at_once) == [200] * 2 + [429] * 6
    after = [await ask("6*7") for _ in range(6)]
    assert after == [200] * 6
    assert [await ask("6*7") for _ in range(4)] == [429] * 4
    file.revoke("bot")
    assert [await ask("6*7") for _ in range(6)] == [401] * 6
