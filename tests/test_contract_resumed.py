"""Turns that continue in another body (protocol 4.6), as the caller sees them: one whole answer.

How one ends that cannot be continued is told by the rows `hand-off` of `tests/faults/rows.py`.
"""

import pytest

from tests.conftest import StartGateway
from tests.gateway import Answer
from tests.scripted_upstream import (
    DONE,
    Abort,
    Head,
    Pause,
    ScriptedUpstream,
    Step,
    answer,
    event,
    final,
)
from tests.test_contract import STREAMED

TOKEN = event(
    {"type": "resume_conversation_token", "token": "conduit-1", "conversation_id": "c1"},
)
HAND_OFF = event({"type": "stream_handoff", "conversation_id": "c1", "options": []})
PING = event(b"2024-05-01 12:34:56.789012", name="ping")
OFFERED = (TOKEN, answer("Hel"), PING, HAND_OFF, DONE)


async def ask(
    scripted: ScriptedUpstream, start_gateway: StartGateway, *, stream: bool
) -> tuple[Answer, dict[str, float]]:
    gateway = await start_gateway(scripted.url, upstream={"idle_seconds": 0.3})
    got = await gateway.chat(stream=stream)
    return got, await gateway.outcomes()


@STREAMED
@pytest.mark.parametrize(
    "steps",
    [
        OFFERED,
        OFFERED[:-1],
        (*OFFERED[:-1], Pause(0.05), Abort()),
        (answer("Hel"), TOKEN, HAND_OFF, DONE),
        (event(b'"v1"', name="delta_encoding"), TOKEN, HAND_OFF, DONE),
    ],
    ids=["done", "closed", "cut", "token later", "no text yet"],
)
async def test_a_turn_goes_on_where_it_was_left(
    steps: tuple[Step, ...],
    stream: bool,
    scripted: ScriptedUpstream,
    start_gateway: StartGateway,
) -> None:
    scripted.plays(*steps)
    scripted.resume_script = (Head(), [answer("Hello"), final("Hello there"), DONE])
    got, outcomes = await ask(scripted, start_gateway, stream=stream)
    assert (got.status, got.text, got.finish) == (200, "Hello there", "stop")
    assert outcomes == {"complete": 1.0}
    assert len(scripted.resumed) == 1
    assert scripted.resumed[0].body == {"conversation_id": "c1", "offset": 3}
    assert scripted.resumed[0].headers["X-Conduit-Token"] == "conduit-1"
    assert len(scripted.turns) == 1


@STREAMED
async def test_increments_go_on_in_the_other_body(
    stream: bool, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    message = {
        "id": "a1",
        "author": {"role": "assistant"},
        "content": {"content_type": "text", "parts": [""]},
        "status": "in_progress",
        "recipient": "all",
        "metadata": {"message_type": "next"},
    }
    root = {"message": message, "conversation_id": "c1", "error": None}
    finished = [
        {"p": "/message/status", "o": "replace", "v": "finished_successfully"},
        {"p": "/message/end_turn", "o": "replace", "v": True},
    ]
    scripted.plays(
        event(b'"v1"', name="delta_encoding"),
        TOKEN,
        event({"p": "", "o": "add", "v": root, "c": 0}, name="delta"),
        event({"p": "/message/content/parts/0", "o": "append", "v": "Hel"}, name="delta"),
        HAND_OFF,
        DONE,
    )
    rest = [
        event({"v": "lo"}, name="delta"),
        event({"v": " there"}, name="delta"),
        event({"p": "", "o": "patch", "v": finished}, name="delta"),
        DONE,
    ]
    scripted.resume_script = (Head(), rest)
    got, outcomes = await ask(scripted, start_gateway, stream=stream)
    assert (got.text, got.finish) == ("Hello there", "stop")
    assert outcomes == {"complete": 1.0}
    assert scripted.resumed[0].body["offset"] == 5


@STREAMED
async def test_a_finished_answer_that_still_offers_a_hand_off_is_complete(
    stream: bool, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(TOKEN, HAND_OFF, final("Hello"), DONE)
    got, outcomes = await ask(scripted, start_gateway, stream=stream)
    assert (got.text, got.finish) == ("Hello", "stop")
    assert outcomes == {"complete": 1.0}
    assert scripted.resumed == []


async def test_a_caller_that_leaves_a_resumed_turn_ends_it(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(*OFFERED)
    scripted.resume_script = (Head(), [answer("Hello"), Pause(3600)])
    gateway = await start_gateway(scripted.url)
    async with gateway.open_chat(stream=True) as response:
        body = b""
        while b'"lo"' not in body:
            body += await response.content.readany()
        response.close()
    await scripted.resumed[0].closed.wait()
