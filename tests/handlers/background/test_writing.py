"""Responses in the background: begun, gone on with without their callers, bounded, stopped."""

import asyncio
import base64
from typing import Any

import pytest

from service.keys import CALL_LOG
from service.turns import key_limits
from service.vocabulary.ledger.calls import CallFilter
from tests.conftest import StartGateway
from tests.gateway import ACCESS_TOKEN, Gateway, until
from tests.handlers.background.following import (
    begun,
    call,
    ended,
    events_of,
    outcomes,
    without_comments,
)
from tests.response_events import check_response, checked, last_response, text_of, types_of
from tests.scripted_upstream import DONE, STALL, Head, Pause, ScriptedUpstream, answer, final


@pytest.fixture
async def two(scripted: ScriptedUpstream, start_gateway: StartGateway) -> tuple[Gateway, Gateway]:
    """Return two gateways that share a state store."""
    scripted.plays(answer("Hel"), Pause(0.5), final("Hello wide world"), DONE)
    return await start_gateway(scripted.url), await start_gateway(scripted.url)


@pytest.fixture
async def stalled(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> tuple[Gateway, Gateway]:
    scripted.plays(answer("Hel"), STALL)
    return await start_gateway(scripted.url), await start_gateway(scripted.url)


async def test_it_is_queued_at_once_and_polled_to_its_end_by_another_process(
    two: tuple[Gateway, Gateway], scripted: ScriptedUpstream
) -> None:
    here, there = two
    queued = await begun(here, metadata={"a": "b"})
    assert (queued["status"], queued["background"], queued["output"]) == ("queued", True, [])
    check_response(queued)
    status, early = await call(there, "GET", f"/{queued['id']}")
    assert (status, early["status"]) in [(200, "queued"), (200, "in_progress")]
    done = await ended(there, queued["id"])
    assert check_response(done).output_text == "Hello wide world"
    assert (done["status"], done["metadata"], done["background"]) == ("completed", {"a": "b"}, True)
    assert done["usage"]["output_tokens"] == 3
    assert await call(here, "GET", f"/{queued['id']}") == (200, done)
    assert len(scripted.turns) == 1
    assert await outcomes(here) == {"complete": 1}


async def test_its_stream_is_the_same_in_every_process_and_from_every_event(
    two: tuple[Gateway, Gateway],
) -> None:
    here, there = two
    headers = {"Authorization": f"Bearer {ACCESS_TOKEN}"}
    body = {"model": "gpt-4o", "input": "Hello", "background": True, "stream": True}
    async with here.session.post(
        f"{here.url}/v1/responses", json=body, headers=headers
    ) as response:
        first = without_comments(await response.read())
    events = checked(first)
    assert types_of(events)[:3] == ["created", "queued", "in_progress"]
    assert events[-1]["type"] == "response.completed"
    assert text_of(events) == "Hello wide world"
    response_id = events[0]["response"]["id"]
    for gateway in two:
        assert await events_of(gateway, response_id) == first
    frames = first.split(b"\n\n")
    for after in (0, 3, len(events) - 2):
        rest = await events_of(there, response_id, f"&starting_after={after}")
        assert rest.split(b"\n\n") == frames[after + 1 :]
    assert await events_of(there, response_id, f"&starting_after={len(events)}") == b""


async def test_it_is_followed_while_another_process_writes_it(
    two: tuple[Gateway, Gateway],
) -> None:
    here, there = two
    response_id = (await begun(here))["id"]
    streams = await asyncio.gather(*(events_of(each, response_id) for each in two))
    assert streams[0] == streams[1]
    assert text_of(checked(streams[0])) == "Hello wide world"
    assert last_response(checked(streams[1])) == await ended(there, response_id)


async def test_it_goes_on_without_its_caller(two: tuple[Gateway, Gateway]) -> None:
    here, there = two
    headers = {"Authorization": f"Bearer {ACCESS_TOKEN}"}
    body = {"model": "gpt-4o", "input": "Hello", "background": True, "stream": True}
    response = await here.session.post(f"{here.url}/v1/responses", json=body, headers=headers)
    read = b""
    while b'"delta":"Hel"' not in read:
        read += await response.content.readany()
    response.close()
    done = await ended(there, read.split(b'"id":"')[1].split(b'"')[0].decode())
    assert check_response(done).output_text == "Hello wide world"
    assert await outcomes(here) == {"complete": 1}


async def test_a_cancel_reaches_the_process_that_writes(
    stalled: tuple[Gateway, Gateway], scripted: ScriptedUpstream
) -> None:
    here, there = stalled
    response_id = (await begun(here))["id"]
    await until(lambda: scripted.turns)
    status, cancelled = await call(there, "POST", f"/{response_id}/cancel")
    assert (status, cancelled["status"]) == (200, "cancelled")
    assert check_response(cancelled).output_text == "Hel"
    assert scripted.turns[0].closed.is_set()
    assert await call(here, "GET", f"/{response_id}") == (200, cancelled)
    assert last_response(checked(await events_of(there, response_id))) == cancelled
    assert await call(there, "POST", f"/{response_id}/cancel") == (200, cancelled)


@pytest.mark.parametrize("which", [0, 1])
async def test_one_that_is_deleted_ends_and_leaves_nothing(
    stalled: tuple[Gateway, Gateway], scripted: ScriptedUpstream, which: int
) -> None:
    response_id = (await begun(stalled[0]))["id"]
    await until(lambda: scripted.turns)
    status, deleted = await call(stalled[which], "DELETE", f"/{response_id}")
    assert (status, deleted["deleted"]) == (200, True)
    await until(scripted.turns[0].closed.is_set, seconds=5)
    await asyncio.sleep(0.1)
    for gateway in stalled:
        assert (await call(gateway, "GET", f"/{response_id}"))[0] == 404
        assert (await call(gateway, "GET", f"/{response_id}?stream=true"))[0] == 404


async def test_nobody_else_can_see_follow_cancel_or_delete_it(
    stalled: tuple[Gateway, Gateway],
) -> None:
    here, _ = stalled
    response_id = (await begun(here))["id"]
    for gateway in stalled:
        for method, path in (
            ("GET", ""),
            ("GET", "?stream=true"),
            ("POST", "/cancel"),
            ("DELETE", ""),
        ):
            status, _ = await call(gateway, method, f"/{response_id}{path}", "fk-somebody-else")
            assert status == 404
    assert (await call(here, "GET", f"/{response_id}"))[1]["status"] == "in_progress"


async def test_what_the_upstream_refuses_is_a_failed_response(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays({"detail": "Too much of that."}, head=Head(413, "application/json"))
    gateway = await start_gateway(scripted.url)
    response_id = (await begun(gateway))["id"]
    failed = await ended(gateway, response_id)
    assert failed["status"] == "failed"
    assert failed["error"]["message"]
    assert failed["error"]["code"]
    events = checked(await events_of(gateway, response_id))
    assert types_of(events) == ["created", "queued", "failed", "error"]


async def test_a_cut_is_a_failed_response_with_what_had_arrived(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(answer("Hel"))
    gateway = await start_gateway(scripted.url)
    failed = await ended(gateway, (await begun(gateway))["id"])
    assert (failed["status"], failed["error"]["code"]) == ("failed", "upstream_cut")
    assert check_response(failed).output_text == "Hel"


async def test_it_is_failed_when_its_gateway_stops(
    stalled: tuple[Gateway, Gateway], scripted: ScriptedUpstream
) -> None:
    here, there = stalled
    response_id = (await begun(here))["id"]
    await until(lambda: scripted.turns)
    await here.stop()
    failed = await ended(there, response_id)
    assert (failed["status"], failed["error"]["code"]) == ("failed", "server_shutdown")
    assert text_of(checked(await events_of(there, response_id))) == "Hel"


async def test_one_has_to_be_kept(two: tuple[Gateway, Gateway]) -> None:
    asked = {"model": "gpt-4o", "input": "Hello", "background": True, "store": False}
    status, body = await call(two[0], "POST", json=asked)
    assert (status, body["error"]["param"]) == (400, "background")


async def test_nothing_is_begun_for_a_token_that_the_upstream_refuses(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(final("Hello"), DONE)
    scripted.refused_tokens.add("fk-made-up")
    gateway = await start_gateway(scripted.url)
    asked = {"model": "gpt-4o", "input": "Hello", "background": True}
    status, body = await call(gateway, "POST", "", "fk-made-up", json=asked)
    assert (status, body["error"]["code"]) == (401, "invalid_api_key")
    assert scripted.turns == []


async def test_a_caller_has_only_so_many_at_once(
    stalled: tuple[Gateway, Gateway], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_limits, "MAX_BACKGROUND", 2)
    monkeypatch.setattr(key_limits, "GRACE_SECONDS", 0.05)
    here, _ = stalled
    ids = [(await begun(here))["id"] for _ in range(2)]
    asked: dict[str, Any] = {"model": "gpt-4o", "input": "Hello", "background": True}
    status, body = await call(here, "POST", json=asked)
    assert (status, body["error"]["code"]) == (429, "rate_limit_exceeded")
    await call(here, "POST", f"/{ids[0]}/cancel")
    await begun(here)


async def test_a_process_has_only_so_many_at_once(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(STALL)
    gateway = await start_gateway(scripted.url, server={"max_requests": 1})
    await begun(gateway)
    asked = {"model": "gpt-4o", "input": "Hello", "background": True}
    assert (await call(gateway, "POST", json=asked))[0] == 503


async def test_one_with_a_picture_has_it_in_every_process(
    demo: str, start_gateway: StartGateway
) -> None:
    here, there = await start_gateway(demo), await start_gateway(demo)
    response_id = (await begun(here, "draw a cat"))["id"]
    done = await ended(there, response_id, 30)
    (picture,) = [one for one in done["output"] if one["type"] == "image_generation_call"]
    assert base64.b64decode(picture["result"]).startswith(b"\x89PNG")
    assert last_response(checked(await events_of(there, response_id))) == done


async def test_one_is_continued_as_any_other(
    two: tuple[Gateway, Gateway], scripted: ScriptedUpstream
) -> None:
    here, there = two
    first = await ended(there, (await begun(here))["id"])
    second = await begun(there, previous_response_id=first["id"])
    assert (await ended(here, second["id"]))["previous_response_id"] == first["id"]
    assert scripted.turns[1].body["conversation_id"] == first["conversation_id"]


async def test_it_is_one_call_of_the_log_with_its_tokens(two: tuple[Gateway, Gateway]) -> None:
    here, there = two
    await ended(there, (await begun(here))["id"])
    await outcomes(here)
    async with asyncio.timeout(30):
        while True:
            page = await here.app[CALL_LOG].page(CallFilter(), 10)
            if page.calls:
                break
            await asyncio.sleep(0.05)
    (call_made,) = page.calls
    assert (call_made.dialect, call_made.outcome, call_made.status) == (
        "responses",
        "complete",
        200,
    )
    assert (call_made.model, call_made.completion_tokens) == ("gpt-4o", 3)
