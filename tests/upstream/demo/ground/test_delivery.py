"""Answers on their way."""

import asyncio

import pytest

from tests.upstream.demo.conftest import Asker


@pytest.mark.whole
@pytest.mark.parametrize("cancels", [False, True])
async def test_many_open_answers_are_counted(asker: Asker) -> None:
    body = asker.body("boats /fault pingstall 1")
    first = await asker.post("/backend-api/conversation", body)
    second = await asker.post("/backend-api/conversation", body)
    assert (await asker.stats())["turns_open"] == 2
    first.close()
    await asker.sees(turns_open=1)
    second.close()
    await asker.sees(turns_open=0, turns_closed_by_peer=2)


@pytest.mark.whole
@pytest.mark.parametrize("cancels", [False, True])
async def test_a_caller_that_leaves_before_the_head_is_noticed(asker: Asker) -> None:
    body = asker.body("boats /fault slow 30")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asker.post("/backend-api/conversation", body), 0.2)
    await asker.sees(turns_closed_by_peer=1)


async def test_a_caller_that_leaves_within_a_large_write_is_noticed(asker: Asker) -> None:
    async with asker.post("/backend-api/conversation", asker.body("/fault giant")) as response:
        await response.content.readany()
        assert (await asker.stats())["turns_open"] == 1
        response.close()
    async with asyncio.timeout(30):
        while (await asker.stats())["turns_open"]:  # noqa: ASYNC110 - of the server
            await asyncio.sleep(0.01)
    stats = await asker.stats()
    assert (stats["turns_closed_by_peer"], stats["turns"]["by_status"]) == (1, {"200": 1})
