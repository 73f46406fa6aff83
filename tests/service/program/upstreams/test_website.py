"""The website beside Codex: each gets its own, and what is for one does not reach the other."""

from collections.abc import AsyncIterator

import pytest

from tests.conftest import StartGateway
from tests.gateway import ACCESS_TOKEN, Gateway
from tests.scripted_codex import ScriptedCodex, says, scripted_codex, token_of
from tests.scripted_upstream import DONE, ScriptedUpstream, final

pytestmark = pytest.mark.whole
FUNCTION = {"type": "function", "function": {"name": "get_time"}}
KEY = {"Authorization": f"Bearer {ACCESS_TOKEN}"}
SECRET_HEADER = {"X-Operator": "a secret of the operator"}


@pytest.fixture
async def codex() -> AsyncIterator[ScriptedCodex]:
    async with scripted_codex() as running:
        running.plays(*says("Of Codex"))
        yield running


@pytest.fixture
async def gateway(
    scripted: ScriptedUpstream, codex: ScriptedCodex, start_gateway: StartGateway
) -> Gateway:
    scripted.plays(final("Of the website"), DONE)
    return await start_gateway(
        scripted.url,
        upstream={"headers": SECRET_HEADER},
        codex={"base_url": codex.base_url},
    )


async def test_the_credential_alone_decides(gateway, scripted, codex) -> None:
    for token, text in ((ACCESS_TOKEN, "Of the website"), (token_of(), "Of Codex")):
        assert (await gateway.chat(token=token)).text == text
    assert (len(scripted.turns), len(codex.posts)) == (1, 1)
    counts = await gateway.counts("gateway_turns_total", "upstream")
    assert counts == {"website": 1, "codex": 1}


async def test_headers_of_the_operator_are_for_the_website(gateway, scripted, codex) -> None:
    await gateway.chat()
    await gateway.chat(token=token_of())
    assert scripted.turns[0].headers["X-Operator"] == SECRET_HEADER["X-Operator"]
    assert "X-Operator" not in codex.posts[0].headers
    assert "X-Operator" not in codex.lists[0].headers


async def test_functions_are_told_in_words_to_the_website_and_as_they_are_to_codex(
    gateway, scripted, codex
) -> None:
    await gateway.chat(tools=[FUNCTION])
    await gateway.chat(tools=[FUNCTION], token=token_of())
    assert "get_time" in scripted.turns[0].body["messages"][0]["content"]["parts"][0]
    assert codex.posts[0].body["tools"][0]["name"] == "get_time"
    assert codex.posts[0].body["instructions"] == ""


async def test_what_ends_an_account_of_one_is_told_without_asking_the_other(
    gateway, scripted, codex
) -> None:
    codex.refuses(401, error={"code": "token_revoked", "message": "no"})
    codex.refuses(401, error={"code": "token_revoked", "message": "no"})
    await gateway.chat(token=token_of())
    assert (await gateway.chat(token=token_of())).status == 401
    assert scripted.turns == []


async def test_an_account_of_the_website_has_its_models_and_is_read_aloud_to(
    demo: str, start_gateway: StartGateway
) -> None:
    gateway = await start_gateway(demo)
    assert (await gateway.chat("What is 6*7?")).text
    async with gateway.session.get(f"{gateway.url}/v1/models", headers=KEY) as answer:
        assert "gpt-4-s" in {model["id"] for model in (await answer.json())["data"]}
    speech = {"model": "tts-1", "input": "Hello", "voice": "alloy"}
    async with gateway.session.post(
        f"{gateway.url}/v1/audio/speech", json=speech, headers=KEY
    ) as answer:
        assert (answer.status, answer.content_type) == (200, "audio/mpeg")
        assert await answer.read()
