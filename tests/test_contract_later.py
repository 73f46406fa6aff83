"""Late answers (spec 7.2), as callers of each profile see them: one whole answer."""

import asyncio
from typing import Any

import pytest

from tests.conftest import StartGateway
from tests.gateway import Answer, read, until
from tests.oracle import render
from tests.scripted_upstream import Abort, Head, Pause, ScriptedUpstream, Step
from tests.test_contract import STREAMED
from upstream.website.turn import late_pictures, waiting

PROFILES = pytest.mark.parametrize("profile", ["web", "bot", "raw"])
GENERATIONS = pytest.mark.parametrize("generation", ["v0", "v1"])
TOKEN = {"event": {"type": "resume_conversation_token", "token": "rt", "conversation_id": "c1"}}
HAND_OFF = {"event": {"type": "stream_handoff", "options": [{"type": "resume_sse_endpoint"}]}}
COMPLETED = {"event": {"type": "message_stream_complete", "conversation_id": "c1"}}
DRAWS = {
    "event": {
        "type": "server_ste_metadata",
        "conversation_id": "c1",
        "metadata": {"turn_use_case": "image gen"},
    }
}
DONE = {"done": True}
SYSTEM = {"id": "s1", "role": "system", "text": "", "status": "finished_successfully"}
ANSWER = [{"id": "a1", "text": "The "}, {"id": "a1", "more": "boat is blue."}]
WHOLE = [*ANSWER, {"id": "a1", "finish": True}, COMPLETED, DONE]
BLUE = "The boat is blue."
PICTURE = {"content_type": "image_asset_pointer", "asset_pointer": "sediment://file_1"}


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "FIRST_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(late_pictures, "MAX_WAIT_SECONDS", 0.3)


def body(generation: str, *steps: dict[str, Any]) -> list[Step]:
    return list(render.render({"steps": list(steps)}, generation))


def stored(text: str | None, **fields: Any) -> dict[str, Any]:
    """Return a conversation that has only what the upstream wrote into it."""
    said = {
        "id": "a1",
        "author": {"role": "assistant", "name": None, "metadata": {}},
        "content": {"content_type": "text", "parts": [text or ""]},
        "status": "finished_successfully" if text else "in_progress",
        "end_turn": True if text else None,
        "recipient": "all",
        "metadata": {"model_slug": "gpt-4o", "message_type": "next"},
        **fields,
    }
    return {
        "conversation_id": "c1",
        "current_node": "a1",
        "mapping": {
            "root": {"id": "root", "message": None, "parent": None, "children": ["a1"]},
            "a1": {"id": "a1", "message": said, "parent": "root", "children": []},
        },
    }


PENDING = stored(None)


async def ask(
    scripted: ScriptedUpstream,
    start_gateway: StartGateway,
    *,
    stream: bool = False,
    profile: str = "web",
    **settings: Any,
) -> tuple[Answer, dict[str, float]]:
    upstream = {"idle_seconds": 0.3, **settings.pop("upstream", {})}
    gateway = await start_gateway(scripted.url, upstream=upstream, **settings)
    got = await gateway.chat(stream=stream, headers={"x-render-profile": profile})
    return got, await gateway.outcomes()


def is_whole(got: Answer, outcomes: dict[str, float]) -> bool:
    return (got.status, got.text, got.finish, outcomes) == (200, BLUE, "stop", {"complete": 1.0})


# --- a hand-off without the end of a line ------------------------------------------------


@PROFILES
@STREAMED
@GENERATIONS
async def test_a_hand_off_before_an_unterminated_done_is_followed(
    generation: str,
    stream: bool,
    profile: str,
    scripted: ScriptedUpstream,
    start_gateway: StartGateway,
) -> None:
    first = b"".join(body(generation, TOKEN, HAND_OFF, DONE))
    scripted.plays(first[:-1])
    scripted.resume_script = (Head(), body(generation, *WHOLE))
    assert is_whole(*await ask(scripted, start_gateway, stream=stream, profile=profile))


@STREAMED
@pytest.mark.parametrize(
    "end",
    [(b"",), (b"\r\n",), (b"\n", Pause(0.02), Abort()), (b"\n: bye\n",), (b"\nretry: 9\n",)],
    ids=["nothing", "CRLF", "cut", "comment", "field"],
)
async def test_whatever_stands_in_place_of_the_blank_line(
    end: tuple[Step, ...],
    stream: bool,
    scripted: ScriptedUpstream,
    start_gateway: StartGateway,
) -> None:
    first = b"".join(body("v0", TOKEN, HAND_OFF, DONE))
    scripted.plays(first.removesuffix(b"\n\n"), *end)
    scripted.resume_script = (Head(), body("v0", *WHOLE))
    assert is_whole(*await ask(scripted, start_gateway, stream=stream))
    assert len(scripted.resumed) == 1


@STREAMED
async def test_a_picture_is_awaited_after_an_unterminated_done_as_well(
    stream: bool, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    first = b"".join(body("v0", DRAWS, COMPLETED, DONE))
    scripted.plays(first[:-1])
    got, outcomes = await ask(scripted, start_gateway, stream=stream)
    assert outcomes == {"empty": 1.0}
    assert "did not come in time" in got.error["message"]


# --- a hand-off that cannot be resumed ---------------------------------------------------


@PROFILES
@STREAMED
@GENERATIONS
@pytest.mark.parametrize("status", [404, 410])
async def test_an_answer_that_is_stored_later_is_read_where_no_resume_is(  # noqa: PLR0917 - cases
    status: int,
    generation: str,
    stream: bool,
    profile: str,
    scripted: ScriptedUpstream,
    start_gateway: StartGateway,
) -> None:
    scripted.plays(*body(generation, TOKEN, HAND_OFF, DONE))
    scripted.resume_script = (Head(status, "application/json"), [{"detail": "Not here."}])
    scripted.stored["c1"] = [PENDING, PENDING, stored(BLUE)]
    assert is_whole(*await ask(scripted, start_gateway, stream=stream, profile=profile))
    assert len(scripted.looks) == 3


@STREAMED
async def test_what_had_arrived_before_the_hand_off_is_not_said_twice(
    stream: bool, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(*body("v1", TOKEN, ANSWER[0], HAND_OFF, DONE))
    scripted.stored["c1"] = [PENDING, stored("The boat", status="in_progress"), stored(BLUE)]
    assert is_whole(*await ask(scripted, start_gateway, stream=stream))


@STREAMED
async def test_a_resumed_body_of_nothing_resumes_nothing(
    stream: bool, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(*body("v0", TOKEN, HAND_OFF, DONE))
    scripted.resume_script = (Head(), [])
    scripted.stored["c1"] = [PENDING, stored(BLUE)]
    assert is_whole(*await ask(scripted, start_gateway, stream=stream))


@STREAMED
async def test_hand_offs_in_a_circle_lead_to_what_is_stored(
    stream: bool, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    circle = body("v0", TOKEN, HAND_OFF, DONE)
    scripted.plays(*circle)
    scripted.resume_script = (Head(), circle)
    scripted.stored["c1"] = stored(BLUE)
    assert is_whole(*await ask(scripted, start_gateway, stream=stream))


@STREAMED
async def test_a_hand_off_of_which_nothing_is_ever_stored_is_a_cut(
    stream: bool, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(*body("v0", TOKEN, ANSWER[0], HAND_OFF, DONE))
    scripted.stored["c1"] = stored("The boat", status="in_progress", end_turn=None)
    got, outcomes = await ask(scripted, start_gateway, stream=stream)
    assert (got.text, got.error["code"], outcomes) == ("The boat", "upstream_cut", {"cut": 1.0})
    assert b"[DONE]" not in got.body


# --- a turn that is complete without a word ----------------------------------------------


THOUGHTS = {"id": "r1", "channel": "analysis", "text": "Hm."}
CALL = {"id": "k1", "recipient": "python", "content_type": "code", "text": "1"}
EMPTY = {"id": "a0", "text": "", "finish": True}
WORDLESS = {
    "system": (SYSTEM, COMPLETED, DONE),
    "done": (SYSTEM, DONE),
    "completed": (SYSTEM, COMPLETED),
    "begun": (SYSTEM, {"id": "a1", "text": ""}, DONE),
    "empty": (SYSTEM, EMPTY, COMPLETED, DONE),
    "last word": (SYSTEM, EMPTY),
    "title": ({"event": {"type": "title_generation", "conversation_id": "c1"}}, DONE),
    "reasoning": (SYSTEM, THOUGHTS, {"id": "r1", "finish": True}, COMPLETED, DONE),
}


@PROFILES
@STREAMED
@GENERATIONS
async def test_a_turn_that_is_complete_without_a_word_gets_the_answer_that_is_stored_later(
    generation: str,
    stream: bool,
    profile: str,
    scripted: ScriptedUpstream,
    start_gateway: StartGateway,
) -> None:
    scripted.plays(*body(generation, TOKEN, *WORDLESS["system"]))
    scripted.stored["c1"] = [PENDING, stored(BLUE)]
    assert is_whole(*await ask(scripted, start_gateway, stream=stream, profile=profile))


@GENERATIONS
@pytest.mark.parametrize("name", WORDLESS)
async def test_in_whatever_way_it_said_so(
    name: str, generation: str, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(*body(generation, *WORDLESS[name]))
    scripted.stored["c1"] = [PENDING, stored(BLUE)]
    assert is_whole(*await ask(scripted, start_gateway, stream=True))


async def test_a_turn_that_only_called_a_tool_gets_it_behind_the_call(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(*body("v1", CALL, COMPLETED, DONE))
    scripted.stored["c1"] = stored(BLUE)
    got, _ = await ask(scripted, start_gateway)
    assert got.text == f"\n```\n1\n```\n{BLUE}"


@STREAMED
async def test_a_resumed_turn_that_is_complete_without_a_word_as_well(
    stream: bool, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(*body("v0", TOKEN, HAND_OFF, DONE))
    scripted.resume_script = (Head(), body("v0", SYSTEM, COMPLETED, DONE))
    scripted.stored["c1"] = [PENDING, stored(BLUE)]
    assert is_whole(*await ask(scripted, start_gateway, stream=stream))


@STREAMED
@pytest.mark.parametrize(
    ("conversation", "looks"),
    [(404, 3), (stored("", status="finished_successfully", end_turn=True), 1)],
    ids=["not there", "finished and empty"],
)
async def test_a_turn_of_which_nothing_is_stored_is_empty_soon(
    conversation: Any,
    looks: int,
    stream: bool,
    scripted: ScriptedUpstream,
    start_gateway: StartGateway,
) -> None:
    scripted.plays(*body("v0", *WORDLESS["system"]))
    scripted.stored["c1"] = conversation
    got, outcomes = await ask(scripted, start_gateway, stream=stream)
    assert (got.error["code"], outcomes) == ("empty_response", {"empty": 1.0})
    assert len(scripted.looks) == looks


@STREAMED
async def test_a_turn_whose_conversation_stays_as_it_is_is_empty_after_the_idle_time(
    stream: bool, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(*body("v0", *WORDLESS["system"]))
    scripted.stored["c1"] = PENDING
    got, outcomes = await ask(scripted, start_gateway, stream=stream)
    assert (got.error["code"], outcomes) == ("empty_response", {"empty": 1.0})
    assert len(scripted.looks) > 3


async def test_the_conversation_that_the_caller_goes_on_with_is_known(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(*body("v0", DONE))
    scripted.stored["c1"] = stored(BLUE)
    gateway = await start_gateway(scripted.url)
    got = await gateway.chat(conversation_id="c1", parent_message_id="a0")
    assert (got.text, got.json["conversation_id"]) == (BLUE, "c1")


@STREAMED
async def test_a_stored_answer_of_another_id_is_no_losing_variant(
    stream: bool, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(*body("v0", TOKEN, {"id": "a7", "text": "Hm"}, HAND_OFF, DONE))
    scripted.stored["c1"] = stored(BLUE)
    got, outcomes = await ask(scripted, start_gateway, stream=stream)
    assert (got.text, outcomes) == (f"Hm\n\n{BLUE}", {"complete": 1.0})


async def test_a_stream_is_kept_alive_meanwhile(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(*body("v0", *WORDLESS["system"]))
    scripted.stored["c1"] = [*[PENDING] * 12, stored(BLUE)]
    signs = {"head_seconds": 0.05, "keep_alive_seconds": 0.05, "keep_alive_chunk_seconds": 0.1}
    gateway = await start_gateway(scripted.url, upstream={"idle_seconds": 5}, stream=signs)
    got = await gateway.chat(stream=True)
    assert (got.text, got.finish) == (BLUE, "stop")
    assert got.body.count(b": ping\n\n") >= 3


async def test_a_temporary_chat_is_not_read(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    for steps, code in ((WORDLESS["system"], "empty_response"), ((HAND_OFF, DONE), "upstream_cut")):
        scripted.scripts.clear()
        scripted.plays(*body("v0", TOKEN, *steps))
        got, _ = await ask(scripted, start_gateway, conversation={"temporary": True})
        assert got.error["code"] == code
    assert scripted.looks == []


@pytest.mark.parametrize("seen", ["a picture", "a block", "an error", "a cut"])
async def test_a_turn_that_said_what_became_of_it_is_not_looked_for(
    seen: str, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    blocked = {"type": "moderation", "moderation_response": {"blocked": True}}
    steps: dict[str, tuple[dict[str, Any], ...]] = {
        "a picture": (
            {"id": "t1", "role": "tool", "name": "dalle.text2im", "content_type": "multimodal_text"}
            | {"status": "finished_successfully", "parts": [PICTURE]},
            DONE,
        ),
        "a block": ({"event": blocked}, DONE),
        "an error": ({"event": {"message": None, "error": "No."}}, DONE),
        "a cut": (SYSTEM,),
    }
    scripted.plays(*body("v0", *steps[seen]))
    scripted.stored["c1"] = stored(BLUE)
    await ask(scripted, start_gateway)
    assert scripted.looks == []


async def test_a_caller_that_leaves_ends_the_wait(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(*body("v0", *WORDLESS["system"]))
    scripted.stored["c1"] = PENDING
    gateway = await start_gateway(
        scripted.url, upstream={"idle_seconds": 60}, stream={"head_seconds": 0.05}
    )
    async with gateway.open_chat(stream=True) as response:
        await until(lambda: scripted.looks)
        response.close()
    await until(lambda: scripted.stopped == ["c1"])


async def test_a_shutdown_ends_the_wait(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(*body("v0", *WORDLESS["system"]))
    scripted.stored["c1"] = PENDING
    gateway = await start_gateway(scripted.url, upstream={"idle_seconds": 60})
    asking = asyncio.ensure_future(gateway.chat())
    await until(lambda: scripted.looks)
    await gateway.stop()
    got = await asking
    assert (got.status, got.error["code"]) == (503, "server_shutdown")


# --- pictures ----------------------------------------------------------------------------


def drawn(message_id: str = "t2", **fields: Any) -> dict[str, Any]:
    content = {"content_type": "multimodal_text", "parts": [PICTURE]}
    author = {"role": "tool", "name": "t2uay3k.sj1i4kz"}
    conversation = stored("x", id=message_id, author=author, content=content, **fields)
    conversation["mapping"]["a1"]["id"] = "a1"
    return conversation


NOTICE = "Your picture is in the queue; I will let you know when it is ready."
TASK = {"image_gen_task_id": "task-1"}
LAUNCHES = {
    "use case": (DRAWS, COMPLETED, DONE),
    "use case later": (SYSTEM, DRAWS, DONE),
    "use case and words that are not the last": (
        *(
            DRAWS,
            {"id": "a0", "text": "I begin."},
            {"id": "a0", "status": "finished_successfully", "end_turn": False},
        ),
        *(COMPLETED, DONE),
    ),
    "use case and notice": (DRAWS, {"id": "a0", "text": NOTICE, "finish": True}, COMPLETED, DONE),
    "task of a tool": (
        {"id": "t1", "role": "tool", "name": "x1y2.z3", "text": "Processing image"}
        | {"status": "finished_successfully", "end_turn": True, "metadata": TASK},
        *(COMPLETED, DONE),
    ),
    "task of the assistant": (
        {"id": "a0", "text": "It may take a while.", "finish": True, "metadata": TASK},
        *(COMPLETED, DONE),
    ),
    "task and notice": (
        {"id": "t1", "role": "tool", "text": "", "status": "finished_successfully"}
        | {"metadata": TASK},
        *({"id": "a0", "text": NOTICE, "finish": True}, COMPLETED, DONE),
    ),
}


@GENERATIONS
@STREAMED
@pytest.mark.parametrize("name", LAUNCHES)
async def test_a_picture_that_is_launched_is_polled_for_and_a_notice_is_no_answer(
    name: str,
    stream: bool,
    generation: str,
    scripted: ScriptedUpstream,
    start_gateway: StartGateway,
) -> None:
    scripted.plays(*body(generation, *LAUNCHES[name]))
    scripted.stored["c1"] = [PENDING, PENDING, drawn()]
    got, outcomes = await ask(scripted, start_gateway, stream=stream)
    words = "I begin." if "words" in name else ""
    assert outcomes == {"complete": 1.0}
    assert got.text.startswith(f"{words}\n```\nError")  # this upstream has no files
    assert len(scripted.looks) == 3


@GENERATIONS
@STREAMED
@pytest.mark.parametrize(
    "name", ["use case and notice", "task of the assistant", "task and notice"]
)
async def test_a_notice_of_a_picture_that_never_comes_is_in_the_error(
    name: str,
    stream: bool,
    generation: str,
    scripted: ScriptedUpstream,
    start_gateway: StartGateway,
) -> None:
    scripted.plays(*body(generation, *LAUNCHES[name]))
    scripted.stored["c1"] = PENDING
    got, outcomes = await ask(scripted, start_gateway, stream=stream)
    assert (got.text, got.error["code"], outcomes) == ("", "empty_response", {"empty": 1.0})
    words = "It may take a while." if name == "task of the assistant" else NOTICE
    assert got.error["message"].endswith(f"It said: {words}")


async def test_an_order_of_a_picture_says_that_it_did_not_come_and_is_not_refused(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(*body("v0", *LAUNCHES["use case and notice"]))
    scripted.stored["c1"] = PENDING
    gateway = await start_gateway(scripted.url)
    async with gateway.session.post(
        f"{gateway.url}/v1/images/generations",
        json={"prompt": "a boat"},
        headers={"Authorization": "Bearer fk-token"},
    ) as response:
        got = await read(response)
    assert (got.status, got.error["code"]) == (502, "empty_response")
    assert NOTICE in got.error["message"]


@STREAMED
async def test_a_refusal_to_draw_is_an_answer_at_once(
    stream: bool, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    words = "I can't create that picture; it goes against our policies."
    scripted.plays(*body("v1", DRAWS, {"id": "a0", "text": words, "finish": True}, COMPLETED, DONE))
    got, outcomes = await ask(scripted, start_gateway, stream=stream)
    assert (got.text, outcomes, scripted.looks) == (words, {"complete": 1.0}, [])


@STREAMED
async def test_an_answer_that_is_stored_later_may_be_a_picture_that_is_stored_later(
    stream: bool, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    launched = stored("x", id="t1", author={"role": "tool"}, metadata=TASK)
    scripted.plays(*body("v0", TOKEN, HAND_OFF, DONE))
    scripted.stored["c1"] = [PENDING, launched, launched, drawn()]
    got, outcomes = await ask(scripted, start_gateway, stream=stream)
    assert outcomes == {"complete": 1.0}
    assert "Error" in got.text


# --- text at a pace ----------------------------------------------------------------------

PIECES = ["one t", "wo th", "ree f", "our f", "ive s", "ix se", "ven e", "ight"]
PACED = [
    {"id": "a1", "text": ""},
    *({"id": "a1", "more": piece} for piece in PIECES),
    {"id": "a1", "finish": True},
    *(COMPLETED, DONE),
]


def pieces_of(got: Answer) -> list[str]:
    """Return the text of each chunk of HTTP, which was one write."""
    texts = [Answer(got.status, got.headers, [chunk]).text for chunk in got.chunks]
    return [text for text in texts if text]


@PROFILES
@GENERATIONS
async def test_text_of_one_read_goes_out_in_the_pieces_in_which_it_was_sent(
    generation: str, profile: str, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    rendered = [render.render({"steps": PACED}, generation, seed) for seed in range(40)]
    whole = max(rendered, key=len)  # a piece may arrive in two, or the last one with the end
    scripted.plays(b"".join(whole))
    gateway = await start_gateway(scripted.url, stream={"delay_seconds": 0.005})
    got = await gateway.chat(stream=True, headers={"x-render-profile": profile})
    assert (got.text, got.finish) == ("".join(PIECES), "stop")
    assert len(pieces_of(got)) >= len(PIECES)
    hasty = await start_gateway(scripted.url, stream={"delay_seconds": 0})
    assert len(pieces_of(await hasty.chat(stream=True))) == 1


@pytest.mark.parametrize("path", ["chat/completions", "completions", "responses"])
async def test_every_dialect_is_paced(
    path: str, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(b"".join(body("v0", *PACED)))
    gateway = await start_gateway(scripted.url, stream={"delay_seconds": 0.005})
    asked = {"prompt": "Hi", "input": "Hi", "messages": [{"role": "user", "content": "Hi"}]}
    keys = {"completions": "prompt", "responses": "input"}
    key = keys.get(path, "messages")
    async with gateway.session.post(
        f"{gateway.url}/v1/{path}",
        json={"model": "gpt-4o", "stream": True, key: asked[key]},
        headers={"Authorization": "Bearer fk-token"},
    ) as response:
        got = await read(response)
    # An `s` may begin `sandbox:`, so it is sent with the next piece.
    starts = [piece.removesuffix("s").encode() for piece in PIECES]
    assert sum(any(start in chunk for start in starts) for chunk in got.chunks) >= len(PIECES)


async def test_a_whole_reply_is_not_held_up(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(b"".join(body("v0", *PACED)))
    gateway = await start_gateway(scripted.url, stream={"delay_seconds": 30})
    assert (await gateway.chat()).text == "".join(PIECES)
