"""Two worker processes, one token: exchanged once however many requests wait (spec 4)."""

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest
from aiohttp import ClientSession

from tests.demo_process import running_demo_process, stats_of
from tests.worker_pairs import CHAT, REQUESTS, STORES, Callers, callers, running_pairs

# A token of this life is refreshed in its last quarter; the rest is enough for one round.
ACCESS_SECONDS = 8
QUESTION = {"model": "gpt-4o", "messages": [{"role": "user", "content": "6*7"}]}

pytestmark = [pytest.mark.whole, pytest.mark.needs_redis]


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    with running_demo_process("--access-seconds", str(ACCESS_SECONDS)) as address:
        yield address


@pytest.fixture(scope="module")
def gateways(demo: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Return the addresses of two gateways of two workers each, by the store that they share."""
    settings = {
        "upstream": {"base_url": demo, "queue_per_account": 2 * REQUESTS},
        "tokens": {"oaifree_url": f"{demo}/api/auth/refresh"},
    }
    with running_pairs(tmp_path_factory, settings) as started:
        yield started


def refreshes(demo: str, token: str) -> int:
    key = hashlib.sha256(token.encode()).hexdigest()[:8]
    return int(stats_of(demo)["refreshes"]["by_token"].get(key, 0))


async def answers(asking: Callers, token: str) -> list[str]:
    return [answer.text for answer in await asking.ask_all(token, QUESTION)]


async def revoke_all(demo: str) -> None:
    async with (
        ClientSession() as session,
        session.post(f"{demo}/demo/revoke", json={"all": True}) as response,
    ):
        assert response.status == 200


async def test_a_token_is_exchanged_once_for_a_hundred_requests_of_two_workers(
    demo: str, gateways: dict[str, str]
) -> None:
    expected = ["Demo answer: 6*7=42"] * REQUESTS
    async with AsyncExitStack() as stack:
        asking = {
            f"refresh-token-on-{store}": await stack.enter_async_context(callers(gateways[store]))
            for store in STORES
        }
        for one in asking.values():
            await one.by_worker()

        for token, one in asking.items():  # the token is new
            assert await answers(one, token) == expected
            assert refreshes(demo, token) == 1

        await asyncio.sleep(ACCESS_SECONDS)
        for token, one in asking.items():  # the access token has expired
            assert await answers(one, token) == expected
            assert refreshes(demo, token) == 2

        await revoke_all(demo)
        for token, one in asking.items():  # the upstream no longer accepts it
            assert await answers(one, token) == expected
            assert refreshes(demo, token) == 3


# After the test above, whose counts are valid until a gateway renews tokens by itself.
@pytest.mark.parametrize("store", STORES)
async def test_an_account_has_three_answers_at_once_over_all_workers(
    demo: str, gateways: dict[str, str], store: str
) -> None:
    account = f"limited-on-{store}"
    headers = {"Authorization": "Bearer fk-anyone", "ChatGPT-Account-ID": account}
    question = QUESTION | {"messages": [{"role": "user", "content": "/fault slowbody 0.3"}]}
    url = f"{gateways[store]}{CHAT}"

    async def ask() -> int:
        async with (  # a new connection, so that both workers get some
            ClientSession() as session,
            session.post(url, json=question, headers=headers) as response,
        ):
            return response.status

    assert await asyncio.gather(*(ask() for _ in range(12))) == [200] * 12
    key = hashlib.sha256(account.encode()).hexdigest()[:8]
    assert stats_of(demo)["most_turns_open"][key] == 3
