"""Repeated requests to gateway and demo: one conversation upstream for all of them."""

import asyncio
from typing import Any

import pytest

from tests.conftest import StartGateway
from tests.gateway import ACCESS_TOKEN, Gateway

KEY = {"Idempotency-Key": "a-key-of-the-client"}


@pytest.fixture
async def gateway(demo: str, start_gateway: StartGateway) -> Gateway:
    return await start_gateway(demo, upstream={"retries": 0})


async def turns(gateway: Gateway, demo: str) -> int:
    """Return how many turns the demo was sent."""
    async with gateway.session.get(f"{demo}/demo/stats") as response:
        requests = (await response.json())["requests"]
    return sum(one["path"].endswith("/backend-api/conversation") for one in requests)


@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_request_that_comes_twice_is_one_conversation(
    is_stream: bool, gateway: Gateway, demo: str
) -> None:
    first, second = await asyncio.gather(
        gateway.chat("long 300", headers=KEY, stream=is_stream),
        gateway.chat("long 300", headers=KEY, stream=not is_stream),
    )
    assert first.text == second.text
    assert await turns(gateway, demo) == 1
    await gateway.chat("long 300", headers=KEY)
    assert await turns(gateway, demo) == 1
    await gateway.chat("long 300", headers=KEY, token="fk-somebody-else")
    await gateway.chat("long 300")
    assert await turns(gateway, demo) == 3


async def test_a_caller_that_gives_up_and_asks_again_joins_if_another_waits(
    gateway: Gateway, demo: str
) -> None:
    asked = {"headers": KEY, "stream": True}
    async with gateway.open_chat("/fault slow 0.02 long 100", **asked) as waiting:
        impatient = gateway.open_chat("/fault slow 0.02 long 100", **asked)
        async with impatient as response:
            await response.content.readany()
            response.close()
        again = await gateway.chat("/fault slow 0.02 long 100", **asked)
        body = await waiting.read()
    assert body.endswith(b"data: [DONE]\n\n")
    assert again.finish == "stop"
    assert await turns(gateway, demo) == 1


async def test_a_failed_answer_is_tried_anew(gateway: Gateway, demo: str) -> None:
    failed = await gateway.chat("long 50 /fault once:cut 10", headers=KEY)
    assert failed.status == 502
    whole = await gateway.chat("long 50 /fault once:cut 10", headers=KEY)
    assert whole.status == 200
    assert await turns(gateway, demo) == 2


async def test_a_key_is_for_one_request(gateway: Gateway) -> None:
    assert (await gateway.chat("6*7", headers=KEY)).status == 200
    other = await gateway.chat("6*8", headers=KEY)
    assert (other.status, other.json["error"]["param"]) == (400, "Idempotency-Key")
    long = await gateway.chat("6*7", headers={"Idempotency-Key": "k" * 256})
    assert (long.status, long.json["error"]["param"]) == (400, "Idempotency-Key")


async def test_an_order_of_two_pictures_is_two_turns_however_often_it_comes(
    gateway: Gateway, demo: str
) -> None:
    async def order() -> Any:
        headers = {"Authorization": f"Bearer {ACCESS_TOKEN}", **KEY}
        body = {"prompt": "a boat", "size": "64x64", "n": 2}
        url = f"{gateway.url}/v1/images/generations"
        async with gateway.session.post(url, json=body, headers=headers) as response:
            return [entry["url"] for entry in (await response.json())["data"]]

    first, second = await asyncio.gather(order(), order())
    assert first == second
    assert len(set(first)) == 2
    assert await turns(gateway, demo) == 2


async def test_an_identical_request_joins_by_a_key_only(demo: str, gateway: Gateway) -> None:
    await asyncio.gather(gateway.chat("6*7"), gateway.chat("6*7"))
    assert await turns(gateway, demo) == 2


async def test_the_last_caller_to_leave_ends_the_turn(gateway: Gateway) -> None:
    async with gateway.open_chat("/fault stall 1", headers=KEY, stream=True) as response:
        await response.content.readany()
        response.close()

    async def open_streams() -> str:
        return next(
            line
            for line in (await gateway.metrics()).splitlines()
            if line.startswith("gateway_open_streams ")
        )

    seen: list[str] = []

    async def look() -> None:
        while "gateway_open_streams 0.0" not in seen:
            seen.append(await open_streams())

    async with asyncio.timeout(20):
        await look()
