"""The log of calls and its sums, as the operator asks for them."""

import asyncio
import time
from typing import Any

import pytest

from service.vocabulary.credentials import Credential
from service.vocabulary.gateway_keys import KeyTerms
from tests.handlers.admin.conftest import Operator


async def logged(operator: Operator, number: int, query: str = "") -> list[Any]:
    """Return the calls of the log once there are so many: they are written in the background."""
    async with asyncio.timeout(20):
        while True:
            status, body = await operator.ask("GET", f"/admin/calls{query}")
            assert status == 200
            if len(body["data"]) >= number:
                return list(body["data"])
            await asyncio.sleep(0.05)


async def test_calls_are_listed_filtered_and_paged(operator: Operator) -> None:
    secret = operator.file.add(KeyTerms("bot"), Credential("fk-a-token"))
    (key,) = operator.file.listing()
    for _ in range(3):
        assert (await operator.gateway.chat(token=secret)).status == 200
    refused = await operator.gateway.chat("/fault 429 7", token=secret)
    assert refused.status == 429
    await operator.gateway.chat("Hello", model="o1-mini")
    calls = await logged(operator, 5)
    assert [call["model"] for call in calls] == ["o1-mini", *["gpt-4o"] * 4]  # the newest first
    newest, failed, first = calls[0], calls[1], calls[-1]
    assert (newest["key"], first["key"]) == (None, key.id)
    assert (failed["status"], failed["outcome"]) == (429, "refused")
    assert (first["status"], first["outcome"], first["dialect"]) == (200, "complete", "chat")
    assert first["completion_tokens"] > 0
    assert first["total_ms"] >= 0
    assert abs(first["at"] - time.time()) < 60
    told = "".join(operator.answers)
    assert secret not in told
    assert "fk-a-token" not in told
    assert "Hello" not in told
    for query, number in {
        f"key={key.id}": 4,
        "model=o1-mini": 1,
        "status=429": 1,
        "outcome=complete": 4,
        "dialect=messages": 0,
        "upstream=website": 5,
        f"since={int(time.time()) - 60}": 5,
        f"until={int(time.time()) - 60}": 0,
        f"key={key.id}&outcome=refused": 1,
    }.items():
        _, body = await operator.ask("GET", f"/admin/calls?{query}")
        assert len(body["data"]) == number, query
    found, after = [], ""
    while after is not None:
        _, page = await operator.ask("GET", f"/admin/calls?limit=2&after={after}")
        found += page["data"]
        after = page["next"]
    assert found == calls


async def test_sums_agree_with_the_calls(operator: Operator) -> None:
    secret = operator.file.add(KeyTerms("bot"), Credential("fk-a-token"))
    (key,) = operator.file.listing()
    for token in (secret, secret, "fk-other"):
        await operator.gateway.chat(token=token)
    await operator.gateway.chat("/fault 429 7", token=secret)
    calls = await logged(operator, 4)
    for step, seconds in (("hour", 3600), ("day", 86400)):
        for by in ("", "key", "model", "outcome", "upstream"):
            _, body = await operator.ask("GET", f"/admin/totals?step={step}&by={by}")
            totals = body["data"]
            assert sum(total["calls"] for total in totals) == len(calls), (step, by)
            for unit in ("prompt_tokens", "completion_tokens", "bytes"):
                assert sum(total[unit] for total in totals) == sum(
                    call[unit] or 0 for call in calls
                )
            assert all(total["starts_at"] % seconds == 0 for total in totals)
            firsts = sum(sum(total["first_token_counts"]) for total in totals)
            assert firsts == sum(call["first_token_ms"] is not None for call in calls)
            assert len(totals[0]["first_token_counts"]) == len(body["first_token_bounds_ms"]) + 1
    _, body = await operator.ask("GET", f"/admin/totals?by=outcome&key={key.id}")
    assert {one["group"]: one["calls"] for one in body["data"]} == {"complete": 2, "refused": 1}
    _, body = await operator.ask("GET", "/admin/totals?until=3600")
    assert body["data"] == []


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("calls?limit=0", "limit"),
        ("calls?limit=501", "limit"),
        ("calls?since=yesterday", "since"),
        ("calls?since=99999999999999", "since"),
        ("calls?outcome=nice", "outcome"),
        ("calls?dialect=latin", "dialect"),
        ("calls?upstream=moon", "upstream"),
        ("calls?status=99", "status"),
        ("calls?after=nonsense", "after"),
        (f"calls?after={'9' * 40}", "after"),
        ("calls?model=a%0Ab", "model"),
        (f"calls?key={'a' * 300}", "key"),
        ("totals?step=minute", "step"),
        ("totals?by=colour", "by"),
        ("totals?since=0", "since"),
        ("totals?since=100&until=50", "since"),
    ],
)
async def test_a_bad_parameter_is_named(operator: Operator, path: str, param: str) -> None:
    told = await operator.refused("GET", f"/admin/{path}")
    assert told == (400, "invalid_request", param)
