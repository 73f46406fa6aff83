"""Pictures that come after the stream, through the whole gateway."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from tests.conftest import StartGateway
from tests.gateway import ACCESS_TOKEN, Gateway, until
from tests.scripted_upstream import DONE, ScriptedUpstream, event, final
from upstream.website.turn import late_pictures, waiting

TASK = {"image_gen_async": True, "image_gen_task_id": "task-1", "async_task_type": "image_gen"}
TEXT = {"content_type": "text", "parts": ["Processing image"]}
ARGUMENTS = '{"size":"1920x1088","n":1}'


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(late_pictures, "MAX_WAIT_SECONDS", 0.3)


def tool(message_id: str = "t1", **fields: Any) -> dict[str, Any]:
    return {
        "id": message_id,
        "author": {"role": "tool", "name": "t2uay3k.sj1i4kz"},
        "content": TEXT,
        "status": "finished_successfully",
        "recipient": "all",
        "metadata": TASK,
        **fields,
    }


def placeholder(**fields: Any) -> bytes:
    return event({"message": tool(**fields), "conversation_id": "c1", "error": None})


def stored(*messages: dict[str, Any]) -> dict[str, Any]:
    """Return a stored conversation without branches."""
    ids = ["root", *(message["id"] for message in messages)]
    mapping: dict[str, Any] = {"root": {"id": "root", "message": None, "parent": None}}
    for parent, message in zip(ids, messages, strict=False):
        mapping[message["id"]] = {"id": message["id"], "message": message, "parent": parent}
    return {"mapping": mapping, "current_node": ids[-1]}


def user(message_id: str = "u1") -> dict[str, Any]:
    return {"id": message_id, "author": {"role": "user"}, "content": TEXT, "metadata": {}}


async def start(scripted: ScriptedUpstream, start_gateway: StartGateway, **given: Any) -> Gateway:
    return await start_gateway(scripted.url, models_passthrough=False, **given)


# --- with the demo --------------------------------------------------------------------


@pytest.mark.parametrize("encodings", [[], ["v1"]], ids=["v0", "v1"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_picture_that_comes_later_is_the_answer(
    demo: str,
    start_gateway: StartGateway,
    monkeypatch: pytest.MonkeyPatch,
    encodings: list[str],
    stream: bool,
) -> None:
    monkeypatch.setattr(late_pictures, "MAX_WAIT_SECONDS", 5.0)
    gateway = await start_gateway(demo, upstream={"encodings": encodings})
    answer = await gateway.chat("draw a cat later 128x64", stream=stream)
    assert answer.finish == "stop"
    assert answer.text.startswith(f"\n![image]({gateway.url}/images/")
    assert answer.text.count("![image]") == 1
    assert await gateway.outcomes() == {"complete": 1}


async def test_it_is_the_only_picture_when_a_conversation_goes_on(
    demo: str, start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late_pictures, "MAX_WAIT_SECONDS", 5.0)
    gateway = await start_gateway(demo)
    first = (await gateway.chat("draw a boat 64x64")).json
    second = await gateway.chat(
        "draw a cat later 128x64",
        conversation_id=first["conversation_id"],
        parent_message_id=first["message_id"],
    )
    assert second.text.startswith("\n![image](")
    assert second.text.count("![image]") == 1
    assert "here is your picture" not in second.text


async def test_an_order_waits_as_well(
    demo: str, start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late_pictures, "MAX_WAIT_SECONDS", 5.0)
    gateway = await start_gateway(demo)
    async with gateway.session.post(
        f"{gateway.url}/v1/images/generations",
        json={"prompt": "a cat, later", "size": "128x64"},
        headers={"Authorization": f"Bearer {ACCESS_TOKEN}"},
    ) as response:
        reply = await response.json()
    assert response.status == 200
    assert reply["data"][0]["url"].startswith(f"{gateway.url}/images/")


async def test_a_temporary_chat_says_that_it_cannot(demo: str, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(demo, conversation={"temporary": True})
    answer = await gateway.chat("draw a cat later")
    assert (answer.status, answer.error["code"]) == (502, "empty_response")
    assert "conversation.temporary" in answer.error["message"]


# --- with a script --------------------------------------------------------------------


async def test_a_picture_that_does_not_come_is_told(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(placeholder(), DONE)
    answer = await (await start(scripted, start_gateway)).chat()
    assert (answer.status, answer.error["code"]) == (502, "empty_response")
    assert "did not come in time" in answer.error["message"]


async def test_text_that_came_is_the_answer_when_no_picture_does(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(placeholder(), final("It is on its way."), DONE)
    answer = await (await start(scripted, start_gateway)).chat()
    assert (answer.status, answer.text, answer.finish) == (200, "It is on its way.", "stop")


async def test_arguments_are_an_answer_only_when_no_picture_comes(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(final(ARGUMENTS), DONE)
    gateway = await start(scripted, start_gateway)
    assert (await gateway.chat()).text == ARGUMENTS
    pointer = {"content_type": "image_asset_pointer", "asset_pointer": "sediment://file_1"}
    made = tool("t2", content={"content_type": "multimodal_text", "parts": [pointer]})
    scripted.stored["c1"] = stored(user(), made)
    answer = await gateway.chat()
    assert answer.status == 200
    assert "size" not in answer.text
    assert "Error" in answer.text  # this upstream has no files


async def test_what_the_task_says_is_reported(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(placeholder(), DONE)
    words = {"content_type": "text", "parts": ["The worker died."]}
    scripted.stored["c1"] = stored(user(), tool("t2", content=words, metadata={"is_error": True}))
    answer = await (await start(scripted, start_gateway)).chat()
    assert (answer.status, answer.error["code"]) == (502, "upstream_error")
    assert "The worker died." in answer.error["message"]


async def test_a_shutdown_ends_the_wait(
    scripted: ScriptedUpstream, start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late_pictures, "MAX_WAIT_SECONDS", 30.0)
    scripted.plays(placeholder(), DONE)
    gateway = await start(scripted, start_gateway)
    asking = asyncio.ensure_future(gateway.chat())
    await until(lambda: scripted.turns and scripted.turns[0].closed.is_set())
    await asyncio.sleep(0.1)
    async with asyncio.timeout(20):
        await gateway.stop()
        answer = await asking
    assert (answer.status, answer.error["code"]) == (503, "server_shutdown")


async def test_a_failed_task_is_found_among_the_tasks(
    start_gateway: StartGateway,
) -> None:
    upstream = ScriptedUpstream()
    upstream.plays(placeholder(), DONE)
    upstream.stored["c1"] = stored(user())
    failed = tool("t2", content={"content_type": "text", "parts": ["No, by our policies."]})
    failed["metadata"] = {"is_error": True}
    listed = [
        {"task_id": "earlier", "conversation_id": "c1", "image_gen_message": {**failed, "id": "x"}},
        {"task_id": "task-1", "conversation_id": "c1", "image_gen_message": failed},
    ]

    async def answer_tasks(_request: web.Request) -> web.Response:
        return web.json_response({"tasks": listed})

    app = upstream.app()
    app.router.add_get("/backend-api/tasks", answer_tasks)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        upstream.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        answer = await (await start(upstream, start_gateway)).chat()
    finally:
        await runner.cleanup()
    assert (answer.status, answer.error["code"]) == (400, "content_policy_violation")
