"""A new secret replaces an old one, with tokens, gateway keys and links from before."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from service.vocabulary.credentials import Credential
from service.vocabulary.gateway_keys import KeyTerms
from storage.secrets.cipher import Cipher
from storage.secrets.key_file import KeyFile
from tests.gateway import Gateway, running_gateway, until
from tests.redis_server import running_redis
from tests.scripted_upstream import DONE, final, scripted_upstream

OLD, NEW = "the secret from before", "the secret from now on"
TOKEN = "a-refresh-token-of-a-caller"
LOG = "encrypted anew with tokens.secret"


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    with running_redis() as server:
        yield server.url


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.needs_redis)])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:{tmp_path}/state.db"
    return str(request.getfixturevalue("redis"))


async def statuses(gateway: Gateway, key: str) -> list[int]:
    return [(await gateway.chat(token=token)).status for token in (TOKEN, key)]


async def test_nobody_notices_a_new_secret(
    state: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gateway.app")
    path = tmp_path / "keys.json"
    key = KeyFile(path, Cipher(OLD.encode())).add(KeyTerms("bot"), Credential(TOKEN))
    async with scripted_upstream() as upstream:
        upstream.plays(final("Hi"), DONE)

        def gateway_with(**tokens: Any) -> Any:
            settings = {"storage": {"state": state}, "server": {"keys_file": str(path)}}
            return running_gateway(upstream.url, tmp_path, tokens=tokens, **settings)

        async with gateway_with(secret=OLD) as gateway:
            assert await statuses(gateway, key) == [200, 200]
        assert len(upstream.refreshes) == 1
        async with gateway_with(secret=NEW, old_secrets=[OLD]) as gateway:
            await until(lambda: LOG in caplog.text, 30)
            assert await statuses(gateway, key) == [200, 200]
        async with gateway_with(secret=NEW) as gateway:  # the old secret is no longer needed
            assert await statuses(gateway, key) == [200, 200]
        assert len(upstream.refreshes) == 1
        async with gateway_with(secret=OLD) as gateway:  # and no longer opens anything
            assert await statuses(gateway, key) == [200, 500]
        assert len(upstream.refreshes) == 2
    if not state.startswith("sqlite"):
        async with Redis.from_url(state) as store:
            await store.flushall()
