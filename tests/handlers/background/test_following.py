"""Following a response whose events are not as they should be."""

import asyncio

import pytest

from handlers.background.kept import kept_events
from service.keys import STATE
from service.turns.kept_events import KeptEvents
from service.vocabulary.credentials import read_credential
from tests.conftest import StartGateway
from tests.gateway import ACCESS_TOKEN, Gateway
from tests.handlers.background.following import (
    begun,
    call,
    ended,
    events_of,
    outcomes,
    without_comments,
)
from tests.response_events import parsed, text_of
from tests.scripted_upstream import DONE, Pause, ScriptedUpstream, answer, final

OWNER = read_credential(f"Bearer {ACCESS_TOKEN}", None, None).owner


@pytest.fixture
async def gateway(scripted: ScriptedUpstream, start_gateway: StartGateway) -> Gateway:
    scripted.plays(answer("Hel"), Pause(0.5), final("Hello wide world"), DONE)
    return await start_gateway(scripted.url)


async def numbers(events: KeptEvents) -> list[int]:
    return [number for number in range(20) if await events.find(number)]


async def test_events_that_are_not_kept_any_more_are_a_404_that_says_what_to_do(
    gateway: Gateway,
) -> None:
    response_id = (await begun(gateway))["id"]
    await ended(gateway, response_id)
    await kept_events(gateway.app, OWNER, response_id).delete()
    status, body = await call(gateway, "GET", f"/{response_id}?stream=true")
    assert (status, body["error"]["code"]) == (404, "events_not_kept")
    assert "without `stream`" in body["error"]["message"]
    assert (await call(gateway, "GET", f"/{response_id}"))[0] == 200


async def test_a_gap_is_an_error_and_no_end(gateway: Gateway) -> None:
    response_id = (await begun(gateway))["id"]
    await ended(gateway, response_id)
    events = kept_events(gateway.app, OWNER, response_id)
    last = (await numbers(events))[-1]
    await gateway.app[STATE].forget(f"events:{OWNER}:{response_id}-{last}")
    read = parsed(await events_of(gateway, response_id))
    assert [event["type"] for event in read].count("response.completed") == 0
    assert (read[-1]["type"], read[-1]["code"]) == ("error", "events_not_kept")
    assert [event["sequence_number"] for event in read] == list(range(len(read)))


@pytest.mark.parametrize("after", ["-1", "x", "1.5", "99999999999", "١"])
async def test_a_number_that_is_none_is_refused(gateway: Gateway, after: str) -> None:
    response_id = (await begun(gateway))["id"]
    path = f"/{response_id}?stream=true&starting_after={after}"
    status, body = await call(gateway, "GET", path)
    assert (status, body["error"]["param"]) == (400, "starting_after")


async def test_what_was_not_in_the_background_cannot_be_streamed_again(gateway: Gateway) -> None:
    _, response = await call(gateway, "POST", json={"model": "gpt-4o", "input": "Hello"})
    for wanted in ("true", "True", "1", "yes"):
        status, body = await call(gateway, "GET", f"/{response['id']}?stream={wanted}")
        assert (status, body["error"]["param"]) == (400, "stream")
    for wanted in ("", "false", "False"):
        assert (await call(gateway, "GET", f"/{response['id']}?stream={wanted}"))[0] == 200


async def test_a_silent_response_has_comments_only(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(answer("Hel"), Pause(1.5), final("Hello"), DONE)
    gateway = await start_gateway(
        scripted.url, stream={"keep_alive_seconds": 0.2, "keep_alive_chunk_seconds": 0.2}
    )
    response_id = (await begun(gateway))["id"]
    url = f"{gateway.url}/v1/responses/{response_id}?stream=true"
    headers = {"Authorization": f"Bearer {ACCESS_TOKEN}"}
    async with gateway.session.get(url, headers=headers) as response:
        body = await response.read()
    assert body.count(b": ping\n\n") > 2
    events = parsed(without_comments(body))
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert text_of(events) == "Hello"


async def test_a_follower_that_leaves_leaves_nothing_behind(gateway: Gateway) -> None:
    response_id = (await begun(gateway))["id"]
    url = f"{gateway.url}/v1/responses/{response_id}?stream=true"
    headers = {"Authorization": f"Bearer {ACCESS_TOKEN}"}
    before = len(asyncio.all_tasks())
    response = await gateway.session.get(url, headers=headers)
    await response.content.readany()
    response.close()
    assert (await ended(gateway, response_id))["status"] == "completed"
    await asyncio.sleep(0.2)
    assert len(asyncio.all_tasks()) <= before
    # Neither the follower nor its leaving is an outcome.
    assert await outcomes(gateway) == {"complete": 1}
