"""Each operation below `/admin/` is asked, answers as described, and fails as described."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway import Gateway, read, running_demo, running_gateway
from tests.test_openapi import Described

KEY = "of the operator"


class Operator:
    """Asks operations by their ids, checks each answer, and remembers what was asked."""

    def __init__(self, gateway: Gateway, described: Described) -> None:
        self.gateway = gateway
        self.described = described
        self.asked: set[str] = set()

    async def ask(self, name: str, status: int, *, key: str = KEY, **given: Any) -> Any:
        self.asked.add(name)
        method, path, _ = self.described.operation(name)
        url = self.gateway.url + path.format(**given.pop("at", {}))
        headers = {"Authorization": f"Bearer {key}"}
        async with self.gateway.session.request(method, url, headers=headers, **given) as response:
            answer = await read(response)
        assert answer.status == status, answer.body
        self.described.check(name, answer)
        return answer.json

    async def signed_in(self) -> Any:
        """Sign an account in, and return it."""
        begun = await self.ask("beginSignIn", 200, json={"name": "home"})
        async with asyncio.timeout(20):
            while True:
                now = await self.ask("getSignIn", 200, at=begun)
                if now["state"] != "waiting":
                    await self.ask("endSignIn", 200, at=begun)
                    return now["account"]
                await asyncio.sleep(0.02)

    async def called(self, secret: str) -> None:
        """Make a call, and wait until the log has it."""
        assert (await self.gateway.chat(token=secret, model="gpt-6-sol")).status == 200
        async with asyncio.timeout(20):
            while True:
                if (await self.ask("listCalls", 200))["data"]:
                    return
                await asyncio.sleep(0.05)


@pytest.fixture
async def operator(tmp_path: Path) -> AsyncIterator[Operator]:
    async with (
        running_demo() as demo,
        running_gateway(
            demo,
            tmp_path,
            server={"admin_key": KEY},
            codex={"base_url": f"{demo}/backend-api/codex"},
            tokens={"codex_url": f"{demo}/oauth/token"},
        ) as gateway,
    ):
        async with gateway.session.get(f"{gateway.url}/openapi.json") as response:
            described = Described(await response.json())
        yield Operator(gateway, described)


async def test_every_operation_answers_as_described(operator: Operator) -> None:
    ask = operator.ask
    account = await operator.signed_in()
    assert (await ask("listAccounts", 200))["data"] == [account]
    budgets = {"requests_per_day": 5, "tokens_per_5_hours": 10**6}
    fields = {"name": "a", "account": account["id"], "budgets": budgets}
    made = await ask("addKey", 200, json=fields)
    await operator.called(made["secret"])
    assert (await ask("listTotals", 200, params={"by": "key"}))["data"]
    (key,) = (await ask("listKeys", 200))["data"]
    assert {use["name"]: use["used"] > 0 for use in key["used"]} == dict.fromkeys(budgets, True)
    await ask("getAccountUsage", 200, at=account)
    await ask("changeKey", 200, at=key, json={"budgets": None})
    await ask("revokeKey", 200, at=key)
    await ask("removeAccount", 200, at=account)
    tags = [one for path in operator.described.document["paths"].values() for one in path.values()]
    assert operator.asked == {one["operationId"] for one in tags if one["tags"] == ["Admin"]}


async def test_every_operation_fails_as_described(operator: Operator) -> None:
    ask = operator.ask
    for name in ("getAccountUsage", "removeAccount", "changeKey", "revokeKey", "getSignIn"):
        await ask(name, 404, at={"id": "none"}, json={})
    for name in ("beginSignIn", "addKey"):
        await ask(name, 400, json={"x": 1})
    for name in ("listCalls", "listTotals"):
        await ask(name, 400, params={"since": "x"})
    for _ in range(10):
        await ask("listKeys", 401, key="wrong")
    await ask("listKeys", 429, key="wrong")
    assert await ask("listKeys", 200) == {"object": "list", "data": []}
