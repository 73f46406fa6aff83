"""Tries that are answered in one piece, and orders of pictures, with a scripted back end."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from service import keys
from service.vocabulary.credentials import Credential
from service.vocabulary.errors import RequestError, ShutdownError, UpstreamRefusedError
from service.vocabulary.events import AssetReady, Outcome
from service.vocabulary.native import ToolItemEnded, UsageKnown
from service.vocabulary.requests import (
    ChatRequest,
    FilePart,
    ItemPart,
    PictureOrder,
    SealedPart,
    TextPart,
)
from tests.codex_feeding import body
from tests.gateway import until
from tests.scripted_codex import (
    ScriptedCodex,
    added,
    codex_program,
    completed,
    created,
    done,
    says,
    token_of,
)
from tests.scripted_upstream import STALL, Pause
from tests.upstream.codex.turn.test_turns import ACCESS, LIMIT, PNG, asked, deltas, end, text
from upstream.codex.payload.sealed import seal

DRAWN = {
    "created": 1,
    "data": [{"b64_json": PNG}, {"b64_json": PNG}],
    "size": "1024x1024",
    "usage": {"input_tokens": 3, "output_tokens": 200},
}
DATA_URL = f"data:image/png;base64,{PNG}"


@pytest.fixture
async def app(codex: ScriptedCodex, tmp_path: Any) -> AsyncIterator[web.Application]:
    async with codex_program(codex, tmp_path) as running:
        yield running


def order(count: int = 1, model: str = "gpt-image-2", **fields: Any) -> ChatRequest:
    picture = PictureOrder("a boat", count=count, **fields)
    return asked(TextPart("a boat, in words"), model=model, picture=picture)


def by_tool(content: str = PNG) -> list[dict[str, Any]]:
    item = {"type": "image_generation_call", "id": "ig_0", "status": "generating"}
    drawn = {**item, "status": "completed", "result": content, "size": "512x512"}
    return [created(), added(item), done(drawn), completed(tool_usage=TOOL_USAGE)]


TOOL_USAGE = {"image_gen": {"input_tokens": 0, "output_tokens": 100}}


def pictures(given: list[Any]) -> list[AssetReady]:
    found = [one for one in given if isinstance(one, AssetReady) and not one.wanted.is_preview]
    assert all(one.url for one in found)
    return found


def answers(codex: ScriptedCodex, answer: Any) -> None:
    codex.plays(json.dumps(answer).encode(), content_type="application/json")


async def test_an_order_is_one_call_for_all_its_pictures(codex, app) -> None:
    answers(codex, DRAWN)
    given = await deltas(app, order(2, options={"size": "1024x1024"}))
    assert len(pictures(given)) == 2
    assert UsageKnown(3, 200) in given
    assert end(given).outcome is Outcome.COMPLETE
    (post,) = codex.posts
    assert post.path == "images/generations"
    told = {"model": "gpt-image-2", "prompt": "a boat", "n": 2, "size": "1024x1024"}
    assert post.body == told
    assert post.headers["Accept"] == "application/json"
    assert not {"session_id", "session-id", "x-codex-turn-state"} & post.headers.keys()
    await app[keys.ACCEPTANCE].confirm(ACCESS)


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("status", [404, 405, 501, "stream", "partial_images", "mask", "model"])
async def test_where_the_order_is_not_taken_a_model_draws_with_its_tool(
    codex, app, status, is_stream
) -> None:
    if isinstance(status, int):
        codex.refuses(status, detail="No.")
    else:
        message = "No." if status == "model" else f"Unknown parameter: '{status}'."
        codex.refuses(400, error={"message": message, "param": status})
    codex.plays(*by_tool())
    codex.plays(*by_tool())
    given = await deltas(app, order(2, previews=int(is_stream), options={"quality": "low"}))
    assert len(pictures(given)) == 2
    assert UsageKnown(14, 210, cached_tokens=6, reasoning_tokens=4) in given
    assert end(given).outcome is Outcome.COMPLETE
    _, *turns = codex.posts
    assert [post.path for post in turns] == ["responses"] * 2
    tool = {"type": "image_generation", "model": "gpt-image-2", "quality": "low"}
    assert turns[0].body["tools"] == [tool | ({"partial_images": 1} if is_stream else {})]
    assert turns[0].body["tool_choice"] == {"type": "image_generation"}
    assert turns[0].body["model"] == "gpt-6-sol"
    assert turns[0].body["input"][0]["content"][0]["text"] == "a boat, in words"


async def test_a_refusal_of_the_order_itself_is_told_and_not_gone_around(codex, app) -> None:
    codex.refuses(400, error={"message": "Invalid value: 'huge'.", "param": "size"})
    with pytest.raises(UpstreamRefusedError, match="huge") as caught:
        await deltas(app, order())
    assert (caught.value.param, len(codex.posts)) == ("size", 1)


async def test_without_a_model_for_the_tool_the_refusal_is_told(codex, app) -> None:
    codex.models = []
    codex.refuses(404, detail="No.")
    with pytest.raises(UpstreamRefusedError, match="No"):
        await deltas(app, order())


async def test_a_model_of_text_draws_with_its_tool_at_once(codex, app) -> None:
    codex.plays(*by_tool())
    given = await deltas(app, order(model="gpt-6-sol"))
    (post,) = codex.posts
    assert (post.path, post.body["tools"]) == ("responses", [{"type": "image_generation"}])
    assert pictures(given)[0].wanted.facts.details == {"size": "512x512"}


async def test_previews_are_stored_and_numbered(codex, app) -> None:
    partial = {"type": "image_generation.partial_image", "b64_json": PNG}
    events = [{**partial, "partial_image_index": at} for at in range(2)]
    last = {"type": "image_generation.completed", "b64_json": PNG, "usage": DRAWN["usage"]}
    codex.plays(body([*events, last]))
    given = await deltas(app, order(previews=2))
    previews = [one for one in given if isinstance(one, AssetReady) and one.wanted.is_preview]
    assert [one.wanted.facts.preview for one in previews] == [0, 1]
    assert len(pictures(given)) == 1
    assert codex.posts[0].headers["Accept"] == "text/event-stream"


async def test_an_edit_brings_its_pictures_and_too_many_are_refused(codex, app) -> None:
    answers(codex, DRAWN)
    files = [FilePart(f"images[{at}].image_url", data_url=DATA_URL) for at in range(6)]
    picture = PictureOrder("a hat", mask_path="images[1].image_url")
    await deltas(app, asked(*files[:2], model="gpt-image-2", picture=picture))
    (post,) = codex.posts
    assert post.path == "images/edits"
    assert post.body["images"] == [post.body["mask"]] == [{"image_url": DATA_URL}]


async def test_passing_faults_of_orders_are_sent_again_and_limits_rest_pictures(codex, app) -> None:
    codex.refuses(503, error={"code": "slow_down", "message": "busy"})
    codex.refuses(429, error=LIMIT)
    codex.plays(*says("Hello"))
    with pytest.raises(UpstreamRefusedError, match="used up"):
        await deltas(app, order())
    with pytest.raises(UpstreamRefusedError, match="pictures"):
        await deltas(app, order())
    assert len(codex.posts) == 2
    assert text(await deltas(app)) == "Hello"


async def test_an_answer_without_a_picture_is_empty(codex, app) -> None:
    answers(codex, {"created": 1, "data": []})
    ended = end(await deltas(app, order()))
    assert ended.outcome is Outcome.EMPTY


async def test_a_caller_that_leaves_and_a_stop_close_an_order(codex, app) -> None:
    codex.plays(STALL, content_type="application/json")
    waiting = asyncio.create_task(deltas(app, order()))
    await until(lambda: codex.posts)
    waiting.cancel()
    await asyncio.wait_for(codex.posts[0].closed.wait(), 1)
    stopped = asyncio.create_task(deltas(app, order()))
    await until(lambda: len(codex.posts) == 2)
    await app[keys.TURNS].drain(0.01)
    with pytest.raises(ShutdownError):
        await stopped


async def test_the_state_of_a_turn_goes_back_with_the_results_of_other_tools(codex, app) -> None:
    item = {"type": "local_shell_call", "call_id": "c1", "action": {"command": ["ls"]}}
    codex.plays(created(), added(item), done(item), completed(), x_codex_turn_state="state-1")
    codex.plays(*says("Hello"))
    await deltas(app)
    output = {"type": "local_shell_call_output", "call_id": "c1", "output": "a.txt"}
    await deltas(
        app, asked(TextPart("a"), ItemPart(item, "input[1]"), ItemPart(output, "input[2]"))
    )
    states = [post.headers.get("x-codex-turn-state") for post in codex.posts]
    assert states == [None, "state-1"]


# --- compactions ------------------------------------------------------------------------


async def test_a_compaction_has_what_the_back_end_takes_and_is_sealed(codex, app) -> None:
    user = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
    sealed = {"type": "compaction", "encrypted_content": "gAAAA"}
    answers(codex, {"output": [{"id": "m", **user}, {"id": "c", **sealed}]})
    wishes = {"cache_key": "k", "service_tier": "fast", "effort": "low"}
    given = await deltas(app, asked(TextPart("Hi"), is_compaction=True, wishes=wishes))
    envelope = seal("gAAAA", "acc-1")
    assert [one.item for one in given if isinstance(one, ToolItemEnded)] == [
        user,
        {"type": "compaction", "encrypted_content": envelope},
    ]
    (post,) = codex.posts
    assert post.path == "responses/compact"
    assert post.body == {
        "tools": [],
        "parallel_tool_calls": False,
        "model": "gpt-6-sol",
        "instructions": "",
        "input": [user],
        "reasoning": {"effort": "low"},
    }
    assert post.headers["session_id"] == "k"


async def test_a_compaction_comes_back_for_its_own_account_alone(codex, app) -> None:
    codex.plays(*says("Hello"))
    item = {"type": "compaction", "encrypted_content": seal("gAAAA", "acc-1"), "created_by": "x"}
    await deltas(app, asked(ItemPart(item, "input[0]"), TextPart("Hi")))
    sent = {"type": "compaction", "encrypted_content": "gAAAA"}
    assert codex.posts[0].body["input"][0] == sent
    other = Credential(token_of("acc-2"))
    with pytest.raises(RequestError, match="another account") as caught:
        await deltas(app, asked(ItemPart(item, "input[0]"), TextPart("Hi")), other)
    assert caught.value.param == "input[0]"
    assert len(codex.posts) == 1


async def test_a_compaction_of_foreign_reasoning_goes_on_without_it(codex, app) -> None:
    codex.refuses(400, error={"code": "invalid_encrypted_content", "message": "No."})
    answers(codex, {"output": [{"type": "compaction", "encrypted_content": "g"}]})
    given = await deltas(app, asked(SealedPart("foreign"), TextPart("Hi"), is_compaction=True))
    assert end(given).outcome is Outcome.COMPLETE
    assert [len(post.body["input"]) for post in codex.posts] == [2, 1]


@pytest.mark.whole  # it waits
async def test_a_turn_that_may_draw_may_be_silent_for_longer(codex, tmp_path) -> None:
    short = {"idle_seconds": 0.3, "first_event_seconds": 0.3, "retries": 0}
    async with codex_program(codex, tmp_path, upstream=short) as app:
        codex.plays(created(), Pause(1.6), *says("Hello")[1:])
        draws = {"tools": ({"type": "image_generation"},)}
        both = asyncio.gather(deltas(app, asked(wishes=draws)), deltas(app))
        drawn, other = await both
    assert (text(drawn), end(other).outcome) == ("Hello", Outcome.SILENT)
