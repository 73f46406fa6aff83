"""A key that is no refresh token is never sent to a token service, in any context (spec 4)."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from service.settings.config import Config
from service.vocabulary.credentials import Credential
from service.vocabulary.gateway_keys import KeyTerms
from storage.secrets.cipher import Cipher
from storage.secrets.key_file import KeyFile
from tests.gateway import SECRET, Answer, Gateway, read, running_gateway
from tests.scripted_upstream import DONE, ScriptedUpstream, final, scripted_upstream
from tests.service.program.gateway_process import GatewayProcess

MISTYPED = {
    "in quotes": '"{key}"',
    "with its name": "token={key}",
    "after a colon": ":{key}",
    "in brackets": "<{key}>",
    "in capitals": "{upper}",
    "twice": "{key}{key}",
    "half of it": "{half}",
    "as an account id": "a-refresh-token,{key}",
    "with a scheme": "Bearer:{key}",
}
CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "6*7"}]}
FOREIGN = (
    "sk-proj-0123456789abcdef",
    "sk-ant-api03-0123456789abcdef",
    "SK-0123456789abcdef",
    "sk-",
)


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with scripted_upstream() as upstream:
        upstream.plays(final("Hi"), DONE)
        yield upstream


async def asked(gateway: Gateway, token: str) -> Answer:
    async with gateway.open_chat(token=token) as response:
        return await read(response)


def assert_refused(answer: Answer, token: str) -> None:
    assert answer.status == 401, token
    assert answer.error is not None
    assert answer.error["code"] == "invalid_api_key"
    told = answer.error["message"].replace("(sk-gw-…)", "")  # what a key looks like
    assert token not in told


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_gateway_key_goes_nowhere_but_here(
    upstream: ScriptedUpstream, tmp_path: Path, *, is_known: bool
) -> None:
    path = tmp_path / "keys.json"
    key = KeyFile(path, Cipher(SECRET.encode())).add(KeyTerms("bot"), Credential("a-refresh-token"))
    server = {"keys_file": str(path if is_known else tmp_path / "others.json")}
    async with running_gateway(upstream.url, tmp_path, server=server) as gateway:
        for form in MISTYPED.values():
            token = form.format(key=key, upper=key.upper(), half=key[:20])
            assert_refused(await asked(gateway, token), token)
        assert upstream.refreshes == []
        assert upstream.turns == []
        whole = await asked(gateway, key)
        if is_known:
            assert (whole.status, upstream.refreshes) == (200, ["a-refresh-token"])
        else:
            assert_refused(whole, key)
            assert upstream.refreshes == []


async def test_a_key_of_another_service_goes_nowhere(
    upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    async with running_gateway(upstream.url, tmp_path) as gateway:
        for token in FOREIGN:
            answer = await asked(gateway, token)
            assert_refused(answer, token)
            assert "access token or a refresh token" in str(answer.error)
        assert upstream.refreshes == []
        assert (await asked(gateway, "ask-me-anything")).status == 200
        assert upstream.refreshes == ["ask-me-anything"]


async def test_without_an_address_no_refresh_token_leaves(
    upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    """The former default service has closed; whoever takes over its name gets no token."""
    tokens: dict[str, Any] = {"oaifree_url": ""}
    async with running_gateway(upstream.url, tmp_path, tokens=tokens) as gateway:
        answer = await asked(gateway, "a-refresh-token")
        assert_refused(answer, "a-refresh-token")
        assert "tokens.oaifree_url" in str(answer.error)
        assert (await gateway.chat()).status == 200
    assert upstream.refreshes == []
    assert Config().tokens.oaifree_url == ""


@pytest.mark.whole
async def test_the_demo_takes_any_word_but_a_gateway_key(tmp_path: Path) -> None:
    """Its token service is the demo's own, and nothing leaves this machine."""
    server = {"host": "127.0.0.1", "port": 0}
    (tmp_path / "config.yaml").write_text(json.dumps({"server": server}))
    process = GatewayProcess(tmp_path, "-m", "service")
    try:
        url = f"{process.address(90)}/v1/chat/completions"
        statuses = []
        async with ClientSession() as session:
            for token in ("demo", "sk-anything", "sk-gw-0", "SK-GW-0", "token=sk-gw-0"):
                headers = {"Authorization": f"Bearer {token}"}
                async with session.post(url, json=CHAT, headers=headers) as response:
                    statuses.append(response.status)
    finally:
        process.close()
    assert statuses == [200, 200, 401, 401, 401]
