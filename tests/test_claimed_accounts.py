"""A caller who merely claims an account id takes nothing from its real owners."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from tests.gateway import Gateway, running_gateway, until
from tests.scripted_upstream import (
    DONE,
    STALL,
    Head,
    ScriptedUpstream,
    final,
    scripted_upstream,
)

TEAM = "team-77"
LIARS = 23  # more than three slots and twenty places in line


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with scripted_upstream() as upstream:
        yield upstream


@pytest.fixture
async def gateway(upstream: ScriptedUpstream, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with running_gateway(upstream.url, tmp_path) as gateway:
        yield gateway


async def test_made_up_tokens_fill_no_queue_but_their_own(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    for _ in range(LIARS):
        upstream.plays(STALL)
    upstream.plays(final("Hi"), DONE)

    async def lie(number: int) -> None:
        await gateway.chat(token=f"fk-made-up-{number},{TEAM}")

    lies = [asyncio.create_task(lie(number)) for number in range(LIARS)]
    try:
        await until(lambda: len(upstream.turns) == LIARS, 10)
        for member in ("fk-a-member", "fk-another-member"):
            answer = await gateway.chat(token=f"{member},{TEAM}")
            assert (answer.status, answer.text) == (200, "Hi")
    finally:
        for task in lies:
            task.cancel()
        await asyncio.gather(*lies, return_exceptions=True)


async def test_a_member_is_shown_the_models_of_its_own_token(
    gateway: Gateway, upstream: ScriptedUpstream, session: ClientSession
) -> None:
    upstream.refused_tokens.add("fk-made-up")

    async def names(token: str) -> set[str]:
        headers = {"Authorization": f"Bearer {token},{TEAM}"}
        async with session.get(f"{gateway.url}/v1/models", headers=headers) as response:
            listed: dict[str, Any] = await response.json()
            return {model["id"] for model in listed["data"]}

    assert "gpt-9" not in await names("fk-made-up")
    assert "gpt-9" in await names("fk-a-member")


async def test_a_failed_response_is_kept_only_for_a_token_that_the_upstream_takes(
    upstream: ScriptedUpstream, tmp_path: Path, session: ClientSession
) -> None:
    """Its head, with an id, is sent before the upstream answers."""
    refusal = {"detail": {"code": "rate_limited", "message": "Too many requests"}}
    upstream.plays(refusal, head=Head(429))
    upstream.refused_tokens.add("fk-made-up")
    statuses = []
    async with running_gateway(upstream.url, tmp_path, stream={"head_seconds": 0}) as gateway:
        for token in ("fk-made-up", "fk-a-member"):
            headers = {"Authorization": f"Bearer {token}"}
            body = {"model": "gpt-4o", "input": "Hello", "stream": True}
            url = f"{gateway.url}/v1/responses"
            async with session.post(url, json=body, headers=headers) as response:
                found = re.search(r"resp_\w+", await response.text())
            assert found
            async with session.get(f"{url}/{found[0]}", headers=headers) as response:
                statuses.append(response.status)
    assert statuses == [404, 200]


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session
