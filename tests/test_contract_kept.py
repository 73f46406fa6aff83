"""Keep-alives, callers that leave, a gateway that stops, hidden conversations (spec 6.4, 6.5)."""

import asyncio
import time
from typing import Any

import pytest

from service.keys import CALL_LOG, METRICS
from service.pipeline.usage import count
from service.program.assembly import drain
from tests.conftest import StartGateway
from tests.gateway import Gateway, read, until
from tests.scripted_upstream import (
    DONE,
    STALL,
    Abort,
    Head,
    Pause,
    ScriptedUpstream,
    answer,
    event,
    final,
)
from tests.test_calls import logged
from tests.test_contract import STREAMED

NAMED = event({"type": "title_generation", "title": "A title", "conversation_id": "c1"})
PING = b": ping\n\n"
ROLE = b'"delta":{"role":"assistant","content":""}'
EMPTY_DELTA = b'"choices":[{"index":0,"delta":{},"finish_reason":null}]}\n\n'
HIDING = {"delete_after_response": True}


async def body_until(response: Any, wanted: bytes) -> bytes:
    """Read a stream until it has this text."""
    body = b""
    async with asyncio.timeout(20):
        while wanted not in body:
            piece = await response.content.readany()
            assert piece, body
            body += piece
    return body


# --- signs of life --------------------------------------------------------------------


async def test_the_head_goes_out_with_a_keep_alive_when_the_upstream_takes_its_time(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(Pause(0.6), final("Hello"), DONE)
    gateway = await start_gateway(scripted.url, stream={"head_seconds": 0.2})
    began = time.monotonic()
    async with gateway.open_chat(stream=True) as response:
        first = await body_until(response, PING)
        assert time.monotonic() - began > 0.15
        assert ROLE in first
        assert b"Hello" not in first
        assert first.endswith(PING)
        rest = await read(response)
    assert rest.text == "Hello"
    assert ROLE not in rest.body


async def test_the_head_waits_for_the_verdict_and_not_for_its_time(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(answer("Hello"), STALL)
    gateway = await start_gateway(scripted.url, stream={"head_seconds": 20})
    began = time.monotonic()
    async with gateway.open_chat(stream=True) as response:
        await body_until(response, b"Hello")
        assert time.monotonic() - began < 15


async def test_silences_are_filled_with_comments_and_empty_deltas(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(answer("Hel"), Pause(0.7), final("Hello"), DONE)
    pace = {"keep_alive_seconds": 0.1, "keep_alive_chunk_seconds": 0.25}
    gateway = await start_gateway(scripted.url, stream=pace)
    got = await gateway.chat(stream=True)
    assert (got.text, got.finish) == ("Hello", "stop")
    assert 4 <= got.body.count(PING) <= 7
    assert 2 <= got.body.count(EMPTY_DELTA) <= 3
    assert got.body.index(b'"Hel"') < got.body.index(PING) < got.body.index(b'"lo"')


async def test_silence_before_any_text_is_filled_too(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(Pause(0.5), final("Hello"), DONE)
    pace = {"head_seconds": 0.1, "keep_alive_seconds": 0.1, "keep_alive_chunk_seconds": 0}
    gateway = await start_gateway(scripted.url, stream=pace)
    got = await gateway.chat(stream=True)
    assert got.text == "Hello"
    assert 3 <= got.body.count(PING) <= 5
    assert EMPTY_DELTA not in got.body


async def test_an_answer_that_flows_needs_no_keep_alive(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    grown = [step for n in range(1, 20) for step in (answer("x" * n), Pause(0.03))]
    scripted.plays(*grown, final("x" * 20), DONE)
    pace = {"keep_alive_seconds": 0.3, "keep_alive_chunk_seconds": 0.3}
    gateway = await start_gateway(scripted.url, stream=pace)
    got = await gateway.chat(stream=True)
    assert got.text == "x" * 20
    assert b": " not in got.body.replace(b"data: ", b"")
    assert len(got.chunks) > 5


async def test_text_is_passed_on_as_it_comes(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(answer("Hel"), Pause(0.3), final("Hello"), DONE)
    gateway = await start_gateway(scripted.url)
    async with gateway.open_chat(stream=True) as response:
        first = await body_until(response, b'"Hel"')
        assert b'"lo"' not in first
        assert (await read(response)).text == "lo"


# --- callers that leave ---------------------------------------------------------------


def counted(gateway: Gateway) -> dict[str, float]:
    """Return the number of answers by outcome, also of a gateway that has stopped."""
    return {
        one.labels["outcome"]: one.value
        for family in gateway.app[METRICS].outcomes.collect()
        for one in family.samples
        if one.name.endswith("_total")
    }


async def abandoned(gateway: Gateway, scripted: ScriptedUpstream) -> None:
    """Check that an abandoned turn ends, upstream and in the metrics."""
    await asyncio.wait_for(scripted.turns[0].closed.wait(), 20)
    await until(lambda: counted(gateway) == {"abandoned": 1.0})
    assert "gateway_open_streams 0.0" in await gateway.metrics()


async def test_all_that_was_sent_to_a_caller_that_leaves_is_counted(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    words = [answer("word " * number) for number in range(1, 41)]
    scripted.plays(*(step for word in words for step in (word, Pause(0.01))), STALL)
    gateway = await start_gateway(scripted.url)
    async with gateway.open_chat(stream=True) as response:
        said = b""
        while said.count(b"word") < len(words):
            said += await response.content.readany()
        response.close()
    [call] = await logged(gateway.app[CALL_LOG], 1)
    assert call.outcome == "abandoned"
    assert call.completion_tokens == count("word " * len(words))


@pytest.mark.parametrize("is_hiding", [False, True])
async def test_a_caller_that_leaves_in_mid_stream_ends_the_turn(
    is_hiding: bool, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    grown = [step for n in range(1, 200) for step in (answer("x" * n), Pause(0.02))]
    scripted.plays(*grown)
    settings = {"delete_after_response": is_hiding}
    gateway = await start_gateway(scripted.url, conversation=settings)
    async with gateway.open_chat(stream=True) as response:
        await body_until(response, b"x")
        response.close()
    await abandoned(gateway, scripted)
    await until(lambda: scripted.stopped == ["c1"])
    if is_hiding:
        await until(lambda: scripted.hidden == ["c1"])
    assert scripted.hidden == (["c1"] if is_hiding else [])


async def test_a_caller_that_leaves_while_the_upstream_is_silent_ends_the_turn(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(answer("Hel"), STALL)
    gateway = await start_gateway(scripted.url, conversation=HIDING)
    async with gateway.open_chat(stream=True) as response:
        await body_until(response, b"Hel")
        response.close()
    await abandoned(gateway, scripted)
    await until(lambda: scripted.stopped == ["c1"] and scripted.hidden == ["c1"])


@STREAMED
async def test_a_caller_that_leaves_before_any_event_ends_the_turn(
    stream: bool, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(STALL)
    gateway = await start_gateway(scripted.url)
    asking = asyncio.ensure_future(gateway.chat(stream=stream))
    await until(lambda: scripted.turns)
    asking.cancel()
    await asyncio.wait([asking])
    await abandoned(gateway, scripted)
    assert scripted.stopped == []


async def test_a_caller_of_a_whole_reply_that_leaves_ends_the_turn(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(answer("Hel"), STALL)
    gateway = await start_gateway(scripted.url, conversation=HIDING)
    asking = asyncio.ensure_future(gateway.chat())
    await until(lambda: scripted.turns)
    await asyncio.sleep(0.1)  # for the first event to be read
    asking.cancel()
    await asyncio.wait([asking])
    await abandoned(gateway, scripted)
    await until(lambda: scripted.stopped == ["c1"] and scripted.hidden == ["c1"])


async def test_a_caller_that_leaves_the_queue_leaves_no_trace(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(answer("Hel"), STALL)
    gateway = await start_gateway(scripted.url, upstream={"streams_per_account": 1})
    async with gateway.open_chat(stream=True) as first:
        await body_until(first, b"Hel")
        waiting = asyncio.ensure_future(gateway.chat())
        await asyncio.sleep(0.1)
        assert "gateway_queued_turns 1.0" in await gateway.metrics()
        waiting.cancel()
        await asyncio.wait([waiting])
        async with asyncio.timeout(30):  # it may have ended its side alone, so it is asked first
            while "gateway_queued_turns 0.0" not in await gateway.metrics():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        first.close()
    assert len(scripted.turns) == 1


@STREAMED
@pytest.mark.parametrize("body", [{"stop": ["lo"]}, {"max_tokens": 1}], ids=["stop", "length"])
async def test_a_turn_that_we_end_is_stopped_upstream(
    body: dict[str, Any], stream: bool, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(answer("Hello there, what a long sentence"), STALL)
    gateway = await start_gateway(scripted.url)
    got = await gateway.chat(stream=stream, **body)
    assert (got.status, got.error) == (200, None)
    await asyncio.wait_for(scripted.turns[0].closed.wait(), 20)
    await until(lambda: scripted.stopped == ["c1"])


# --- a gateway that stops -------------------------------------------------------------


@STREAMED
@pytest.mark.parametrize("text", ["Hel", ""], ids=["text", "no text"])
async def test_an_answer_that_outlasts_the_draining_ends_with_an_error(
    text: str, stream: bool, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(answer(text) if text else NAMED, STALL)
    gateway = await start_gateway(scripted.url, server={"drain_seconds": 0.2})
    asking = asyncio.ensure_future(gateway.chat(stream=stream))
    await until(lambda: scripted.turns)
    await asyncio.sleep(0.1)
    await gateway.stop()
    got = await asking
    is_late = stream and bool(text)
    assert got.status == (200 if is_late else 503)
    assert (got.text, got.finish) == (text, None)
    assert (got.error["code"], got.error["type"]) == ("server_shutdown", "server_error")
    assert b"[DONE]" not in got.body
    await asyncio.wait_for(scripted.turns[0].closed.wait(), 20)
    assert counted(gateway) == {"shutdown": 1.0}


@STREAMED
async def test_an_answer_that_ends_while_draining_is_whole(
    stream: bool, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(answer("Hel"), Pause(0.4), final("Hello"), DONE)
    gateway = await start_gateway(scripted.url, server={"drain_seconds": 60})
    asking = asyncio.ensure_future(gateway.chat(stream=stream))
    await until(lambda: scripted.turns)
    async with asyncio.timeout(20):
        await gateway.stop()
    got = await asking
    assert (got.status, got.text, got.finish) == (200, "Hello", "stop")


@STREAMED
async def test_a_turn_that_comes_while_draining_is_refused(
    stream: bool, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    gateway = await start_gateway(scripted.url)
    await drain(gateway.app, 0.1)
    got = await gateway.chat(stream=stream)
    assert (got.status, got.error["code"]) == (503, "server_shutdown")
    assert scripted.turns == []


# --- conversations --------------------------------------------------------------------


@STREAMED
async def test_a_conversation_is_hidden_after_its_answer(
    stream: bool, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(final("Hello"), DONE)
    gateway = await start_gateway(scripted.url, conversation=HIDING)
    got = await gateway.chat(stream=stream)
    assert got.text == "Hello"
    await until(lambda: scripted.hidden == ["c1"])
    assert scripted.stopped == []


@pytest.mark.parametrize("settings", [{}, {"temporary": True}, {**HIDING, "temporary": True}])
async def test_a_conversation_is_hidden_only_where_that_is_wanted_and_possible(
    settings: dict[str, bool], scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(final("Hello"), DONE)
    gateway = await start_gateway(scripted.url, conversation=settings)
    got = await gateway.chat()
    is_temporary = settings.get("temporary", False)
    assert scripted.turns[0].body["history_and_training_disabled"] is is_temporary
    assert ("conversation_id" in got.json) is not is_temporary
    await gateway.stop()
    assert scripted.hidden == []


@pytest.mark.parametrize(
    "steps",
    [(answer("Hel"),), (answer("Hel"), Pause(0.02), Abort()), (NAMED, DONE)],
    ids=["closed", "cut", "empty"],
)
async def test_the_conversation_of_a_failed_answer_is_hidden_too(
    steps: tuple[Any, ...], scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(*steps)
    gateway = await start_gateway(scripted.url, conversation=HIDING)
    assert (await gateway.chat()).status == 502
    await until(lambda: scripted.hidden == ["c1"])


async def test_hiding_is_finished_before_the_gateway_is_gone(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(final("Hello"), DONE)
    gateway = await start_gateway(scripted.url, conversation=HIDING)
    await gateway.chat(stream=True)
    await gateway.stop()
    assert scripted.hidden == ["c1"]


async def test_a_refused_turn_hides_nothing(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays({"detail": "no"}, head=Head(400))
    gateway = await start_gateway(scripted.url, conversation=HIDING)
    assert (await gateway.chat()).status == 400
    await gateway.stop()
    assert (scripted.hidden, scripted.stopped) == ([], [])


@STREAMED
@pytest.mark.parametrize("question", ["draw two boats", "make report.csv"])
async def test_a_conversation_is_hidden_only_when_all_of_it_was_fetched(
    question: str, stream: bool, demo: str, start_gateway: StartGateway
) -> None:
    gateway = await start_gateway(demo, conversation=HIDING)
    got = await gateway.chat(question, stream=stream)
    last = got.events[-2] if stream else got.json
    links = last["x_files"] if "csv" in question else last["x_images"]
    assert all(link["url"].startswith(gateway.url) for link in links)
    await gateway.stop()
    async with gateway.session.get(f"{demo}/demo/stats") as response:
        stats = await response.json()
    assert stats["hidden"] == [last["conversation_id"]]
    hiding = [one["method"] for one in stats["requests"]].index("PATCH")
    assert not any("download" in one["path"] for one in stats["requests"][hiding:])
