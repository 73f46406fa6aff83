"""Turns with a back end of Codex that a test has scripted, through the assembled program."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from aiohttp import web
from msgspec import structs

from service import keys
from service.vocabulary.credentials import Credential, fingerprint
from service.vocabulary.errors import (
    NOT_OFFERED,
    NotFoundError,
    ShutdownError,
    UpstreamRefusedError,
)
from service.vocabulary.events import (
    AnswerText,
    AssetReady,
    Delta,
    FunctionCallStarted,
    Outcome,
    TurnEnded,
    TurnFacts,
)
from service.vocabulary.native import LimitsKnown, ReasoningEnded, UsageKnown
from service.vocabulary.requests import (
    CallPart,
    ChatMessage,
    ChatRequest,
    Part,
    Profile,
    ResultPart,
    SealedPart,
    TextPart,
    Wishes,
)
from tests.codex_feeding import body
from tests.gateway import until
from tests.scripted_codex import (
    ScriptedCodex,
    added,
    call,
    codex_program,
    completed,
    created,
    done,
    failed,
    message,
    says,
    token_of,
)
from tests.scripted_upstream import STALL, Abort, Pause
from tests.sinks import pulled
from upstream.codex.payload.sealed import seal
from upstream.codex.payload.tools import short_name

ACCESS = Credential(token_of("acc-1"))
REFRESH = Credential("codex:rt_one")
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\x00" * 40).decode()
LIMIT = {"type": "usage_limit_reached", "message": "No more.", "resets_in_seconds": 3000}
DRAW = {"tools": ({"type": "image_generation"},), "tool_choice": {"type": "image_generation"}}


@pytest.fixture
async def app(codex: ScriptedCodex, tmp_path: Any) -> AsyncIterator[web.Application]:
    async with codex_program(codex, tmp_path) as running:
        yield running


def asked(*parts: Part, model: str = "gpt-6-sol", **fields: Any) -> ChatRequest:
    wishes = fields.pop("wishes", {})
    return ChatRequest(
        request_id="r",
        model=model,
        messages=tuple(
            ChatMessage("assistant" if isinstance(part, CallPart | SealedPart) else "user", (part,))
            for part in parts or (TextPart("Hello"),)
        ),
        is_stream=True,
        is_usage_wanted=False,
        profile=Profile.WEB,
        public_url="http://gw",
        received_at=0.0,
        wishes=Wishes(**wishes),
        **fields,
    )


async def batches(
    app: web.Application, request: ChatRequest | None = None, credential: Credential = ACCESS
) -> list[list[Delta]]:
    async with aclosing(pulled(app[keys.TURNS], request or asked(), credential)) as running:
        return [batch async for batch in running]


def newly_asked() -> ChatRequest:
    return structs.replace(asked(), received_at=asyncio.get_running_loop().time())


async def deltas(*arguments: Any, **named: Any) -> list[Delta]:
    return [delta for batch in await batches(*arguments, **named) for delta in batch]


def text(given: list[Delta]) -> str:
    return "".join(delta.text for delta in given if isinstance(delta, AnswerText))


def end(given: list[Delta]) -> TurnEnded:
    assert isinstance(given[-1], TurnEnded)
    return given[-1]


def sample(app: web.Application, name: str) -> float:
    return app[keys.METRICS].registry.get_sample_value(name) or 0.0


async def test_a_turn_is_sent_under_our_own_name_and_read(codex, app) -> None:
    codex.plays(*says("Hello"), openai_model="gpt-6-sol-2026-11-01")
    given = await deltas(app)
    assert (text(given), end(given).outcome) == ("Hello", Outcome.COMPLETE)
    assert UsageKnown(7, 5, cached_tokens=3, reasoning_tokens=2) in given
    (post,) = codex.posts
    facts = next(delta for delta in given if isinstance(delta, TurnFacts))
    assert facts.upstream_model == "gpt-6-sol-2026-11-01"
    assert facts.cache_key == post.body["prompt_cache_key"] == post.headers["session_id"]
    assert post.path == "responses"
    assert post.headers["session-id"] == post.headers["session_id"]
    assert post.headers["Authorization"] == f"Bearer {ACCESS.token}"
    assert post.headers["ChatGPT-Account-Id"] == "acc-1"
    assert post.headers["originator"] == "backend-to-v1"
    assert post.headers["User-Agent"].startswith("backend-to-v1/")
    assert post.headers["Accept"] == "text/event-stream"
    assert not {"Cookie", "x-codex-turn-state", "version"} & post.headers.keys()
    assert (post.body["store"], post.body["stream"]) == (False, True)
    assert sample(app, "gateway_open_streams") == 0


async def test_one_read_is_one_batch_with_joined_texts_unless_it_is_paced(codex, tmp_path) -> None:
    delta = {"type": "response.output_text.delta", "item_id": "msg_0", "output_index": 0}
    first, _, last = message("abc")
    pieces = [{**delta, "delta": word} for word in "abc"]
    codex.plays(body([created(), first, *pieces, last, completed()]))
    async with codex_program(codex, tmp_path) as app:
        given = await deltas(app)
    assert [one for one in given if isinstance(one, AnswerText)] == [AnswerText("abc")]
    async with codex_program(codex, tmp_path, stream={"delay_seconds": 0.01}) as app:
        paced = await batches(app)
    words = [[AnswerText(word)] for word in "abc"]
    assert [batch for batch in paced if isinstance(batch[0], AnswerText)] == words


async def test_a_conversation_of_the_website_is_not_offered(codex, app) -> None:
    with pytest.raises(NotFoundError) as caught:
        await deltas(app, asked(conversation_id="c1"))
    assert (caught.value.code, caught.value.param) == (NOT_OFFERED, "conversation_id")
    assert codex.posts == []


# --- tried again ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "steps",
    [
        (failed("server_is_overloaded"),),
        (created(), failed("something_new")),
        ({"type": "error", "code": "rate_limit_exceeded", "message": "try again in 20ms"},),
        (created(), Abort()),
        (created(),),
    ],
)
async def test_what_passes_is_sent_again_while_nothing_has_come(codex, app, steps) -> None:
    codex.plays(*steps)
    codex.plays(*says("Hello"))
    given = await deltas(app)
    assert (text(given), end(given).outcome) == ("Hello", Outcome.COMPLETE)
    assert len(codex.posts) == 2
    assert codex.posts[0].body == codex.posts[1].body
    assert sample(app, "gateway_upstream_retries_total") == 1


async def test_a_passing_status_is_sent_again_and_no_other(codex, app) -> None:
    codex.refuses(503, error={"code": "slow_down", "message": "busy"})
    codex.refuses(400, detail="Unsupported parameter: x")
    with pytest.raises(UpstreamRefusedError, match="Unsupported parameter"):
        await deltas(app)
    assert len(codex.posts) == 2


@pytest.mark.whole  # it waits
async def test_tries_end_and_the_last_one_is_told(codex, app) -> None:
    codex.plays(created(), failed("server_is_overloaded", "Full."))
    given = await deltas(app)
    failure = end(given).failure
    assert failure is not None
    assert (failure.status, failure.code) == (503, "server_is_overloaded")
    assert len(codex.posts) == 3


@pytest.mark.parametrize(
    ("last", "outcome"), [(failed("server_is_overloaded"), "failed"), (Abort(), "cut")]
)
async def test_once_something_has_come_nothing_is_sent_again(codex, app, last, outcome) -> None:
    codex.plays(created(), *message("Hel"), Pause(0.02), last)
    given = await deltas(app)
    assert (text(given), end(given).outcome) == ("Hel", outcome)
    assert len(codex.posts) == 1


async def test_an_empty_answer_is_an_error_and_is_not_asked_for_again(codex, app) -> None:
    codex.plays(created(), completed())
    assert end(await deltas(app)).outcome is Outcome.EMPTY
    assert len(codex.posts) == 1


# --- tokens ---------------------------------------------------------------------------


@pytest.mark.parametrize("is_in_stream", [False, True])
async def test_a_refused_token_is_renewed_once(codex, app, is_in_stream) -> None:
    codex.tokens = [token_of("acc-1", jti="old"), token_of("acc-1", jti="new")]
    error = {"code": "token_expired", "message": "old", "status": 401}
    if is_in_stream:
        codex.plays({"type": "error", "error": error})
    else:
        codex.refuses(401, error=error)
    codex.plays(*says("Hello"))
    assert text(await deltas(app, credential=REFRESH)) == "Hello"
    sent = [post.headers["Authorization"].removeprefix("Bearer ") for post in codex.posts]
    assert sent == [token_of("acc-1", jti="old"), token_of("acc-1", jti="new")]
    assert [one["refresh_token"] for one in codex.exchanged] == ["rt_one", "rt_one"]


@pytest.mark.parametrize(
    ("credential", "tokens", "posts"),
    [
        (ACCESS, ["unused"], 1),
        (REFRESH, [token_of(jti="a"), token_of(jti="b")], 2),
        (REFRESH, [token_of(jti="a")], 1),
    ],
    ids=["an access token", "renewed in vain", "the same again"],
)
async def test_a_token_that_stays_refused_is_the_callers_401(
    codex, app, credential, tokens, posts
) -> None:
    codex.tokens = tokens
    codex.refuses(401, error={"code": "token_revoked", "message": "Sign in again."})
    with pytest.raises(UpstreamRefusedError, match="Sign in again") as caught:
        await deltas(app, credential=credential)
    assert (caught.value.status, caught.value.code) == (401, "invalid_api_key")
    assert len(codex.posts) == posts


async def test_the_account_id_of_the_caller_is_taken_before_that_of_the_token(codex, app) -> None:
    codex.plays(*says("Hello"))
    await deltas(app, credential=Credential(token_of("acc-1"), "acc-2"))
    assert codex.posts[0].headers["ChatGPT-Account-Id"] == "acc-2"


# --- what is sealed -------------------------------------------------------------------


async def test_sealed_reasoning_goes_back_to_its_account_alone(codex, app) -> None:
    item = {"type": "reasoning", "id": "rs_0", "summary": [], "encrypted_content": "gAAA"}
    codex.plays(created(), added(item), done(item), *message("Hi", 1), completed())
    given = await deltas(app)
    (sealed,) = (delta.sealed for delta in given if isinstance(delta, ReasoningEnded))
    assert sealed == seal("gAAA", "acc-1") != "gAAA"
    await deltas(app, asked(TextPart("a"), SealedPart(sealed), TextPart("b")))
    other = Credential(token_of("acc-2"))
    await deltas(app, asked(TextPart("a"), SealedPart(sealed), TextPart("b")), other)
    kinds = [[item["type"] for item in post.body["input"]] for post in codex.posts]
    assert kinds[1:] == [["message", "reasoning", "message"], ["message", "message"]]


@pytest.mark.parametrize("is_in_stream", [False, True])
async def test_what_cannot_be_unsealed_is_left_out_once(codex, app, is_in_stream) -> None:
    error = {"code": "invalid_encrypted_content", "message": "cannot be verified"}
    if is_in_stream:
        codex.plays(failed(code=error["code"]))
    else:
        codex.refuses(400, error=error)
    codex.plays(*says("Hello"))
    request = asked(TextPart("a"), SealedPart("of nobody knows whom"), TextPart("b"))
    assert text(await deltas(app, request)) == "Hello"
    kinds = [[item["type"] for item in post.body["input"]] for post in codex.posts]
    assert kinds == [["message", "reasoning", "message"], ["message", "message"]]


async def test_nothing_sealed_is_sent_again_without_it_twice(codex, app) -> None:
    codex.refuses(400, error={"code": "invalid_encrypted_content", "message": "no"})
    with pytest.raises(UpstreamRefusedError):
        await deltas(app, asked(TextPart("a"), SealedPart("foreign"), TextPart("b")))
    assert len(codex.posts) == 2


# --- allowances -----------------------------------------------------------------------


@pytest.mark.parametrize("is_in_stream", [False, True])
async def test_an_account_with_nothing_left_rests(codex, app, is_in_stream) -> None:
    if is_in_stream:
        codex.plays(created(), *message("Hel"), {"type": "error", "error": LIMIT})
    else:
        codex.refuses(429, error=LIMIT)
    codex.plays(*says("Hello"))
    if is_in_stream:
        assert text(await deltas(app)) == "Hel"
    else:
        with pytest.raises(UpstreamRefusedError):
            await deltas(app)
    with pytest.raises(UpstreamRefusedError, match="used up") as caught:
        await deltas(app)
    failure = caught.value.failure()
    assert (failure.status, failure.is_final) == (429, True)
    assert failure.retry_after_seconds == pytest.approx(3000, abs=60)
    assert len(codex.posts) == 1
    assert text(await deltas(app, credential=Credential(token_of("acc-2")))) == "Hello"
    assert text(await deltas(app, asked(wishes=DRAW))) == "Hello"  # pictures rest by themselves


async def test_turns_that_stood_in_line_meanwhile_are_not_sent(codex, tmp_path) -> None:
    refusal = json.dumps({"error": LIMIT | {"resets_in_seconds": 2}}).encode()
    codex.plays(Pause(0.1), refusal, status=429, content_type="application/json")
    async with codex_program(codex, tmp_path, upstream={"streams_per_account": 1}) as app:
        ends = await asyncio.gather(*(deltas(app) for _ in range(5)), return_exceptions=True)
    assert [getattr(end, "status", end) for end in ends] == [429] * 5
    assert len(codex.posts) == 1


async def test_pictures_rest_by_what_was_asked_for(codex, app) -> None:
    codex.refuses(429, error=LIMIT)
    codex.plays(*says("Hello"))
    with pytest.raises(UpstreamRefusedError):
        await deltas(app, asked(wishes=DRAW))
    with pytest.raises(UpstreamRefusedError, match="pictures"):
        await deltas(app, asked(wishes=DRAW))
    assert text(await deltas(app)) == "Hello"
    assert len(codex.posts) == 2


async def test_limits_are_noted_and_never_passed_on(codex, app) -> None:
    limits = {
        "type": "codex.rate_limits",
        "plan_type": "plus",
        "rate_limits": {"primary": {"used_percent": 12.5, "window_minutes": 300}},
    }
    codex.plays(limits, *says("Hello"))
    given = await deltas(app)
    assert text(given) == "Hello"
    assert not any(isinstance(delta, LimitsKnown) for delta in given)


# --- tools ----------------------------------------------------------------------------


async def test_the_state_of_a_turn_goes_back_with_results_of_its_own_calls(codex, app) -> None:
    codex.plays(created(), *call("call_1", "f", "{}"), completed(), x_codex_turn_state="state-1")
    codex.plays(*says("Hello"))
    await deltas(app)
    made = [CallPart(name, "f", "{}", "p") for name in ("call_1", "call_2")]
    results = [ResultPart(name, (TextPart("1"),), "p") for name in ("call_1", "call_2")]
    await deltas(app, asked(TextPart("a"), made[0], results[0]))
    await deltas(app, asked(TextPart("a"), made[0], results[0], TextPart("b")))
    await deltas(app, asked(TextPart("a"), made[1], results[1]))
    await deltas(app, asked(TextPart("a"), *made, *results))
    other = Credential(token_of("acc-2"))
    await deltas(app, asked(TextPart("a"), made[0], results[0]), other)
    states = [post.headers.get("x-codex-turn-state") for post in codex.posts]
    assert states == [None, "state-1", None, None, None, None]


async def test_a_name_that_is_too_long_is_shortened_on_the_way(codex, app) -> None:
    name = "n" * 100
    tool = {"type": "function", "name": name, "parameters": {}, "strict": False}
    short = short_name(name)
    codex.plays(created(), *call("call_1", short, "{}"), completed())
    given = await deltas(app, asked(wishes={"tools": (tool,)}))
    (made,) = (delta for delta in given if isinstance(delta, FunctionCallStarted))
    assert made.name == name
    assert codex.posts[0].body["tools"][0]["name"] == short != name


# --- models, pictures, ends -----------------------------------------------------------


async def test_a_lite_model_is_asked_in_its_own_form(codex, app) -> None:
    codex.plays(*says("Hello"))
    await deltas(app, asked(model="gpt-6-lite"))
    (post,) = codex.posts
    assert post.headers["x-openai-internal-codex-responses-lite"] == "true"
    assert not {"tools", "instructions"} & post.body.keys()


async def test_a_word_of_effort_may_stand_in_the_name_of_a_model(codex, app) -> None:
    codex.plays(*says("Hello"))
    await deltas(app, asked(model="gpt-6-sol-xhigh"))
    await deltas(app, asked(model="gpt-6-sol-xhigh", wishes={"effort": "low"}))
    assert [post.body["model"] for post in codex.posts] == ["gpt-6-sol"] * 2
    assert [post.body["reasoning"]["effort"] for post in codex.posts] == ["high", "low"]


async def test_a_picture_is_stored_and_linked(codex, app) -> None:
    item = {"type": "image_generation_call", "id": "ig_0", "status": "generating"}
    drawn = {**item, "status": "completed", "result": PNG, "revised_prompt": "a boat"}
    codex.plays(created(), added(item), done(drawn), *message("There.", 1), completed())
    given = await deltas(app)
    (ready,) = (delta for delta in given if isinstance(delta, AssetReady))
    assert ready.url == f"http://gw/images/{ready.name}"
    assert ready.wanted.revised_prompt == "a boat"
    assert given.index(ready) < given.index(AnswerText("There."))
    assert await app[keys.BLOBS].find("images", ready.name) is not None


async def test_another_model_than_the_asked_one_is_logged(codex, app, caplog) -> None:
    codex.plays(*says("Hello"), openai_model="gpt-5-mini")
    await deltas(app)
    assert "asked for gpt-6-sol, answered by gpt-5-mini" in caplog.text


async def test_an_answer_shows_that_the_credential_is_good_and_an_error_does_not(
    codex, app
) -> None:
    codex.models_status = 403
    codex.plays(failed("invalid_prompt"))
    codex.plays(*says("Hello"))
    await deltas(app)
    with pytest.raises(UpstreamRefusedError):
        await app[keys.ACCEPTANCE].confirm(ACCESS)
    await deltas(app)
    await app[keys.ACCEPTANCE].confirm(ACCESS)


async def test_a_caller_that_leaves_closes_the_connection(codex, app) -> None:
    codex.plays(created(), *message("Hel"), STALL)
    async with aclosing(pulled(app[keys.TURNS], asked(), ACCESS)) as running:
        async for batch in running:
            if any(isinstance(delta, AnswerText) for delta in batch):
                break
    await asyncio.wait_for(codex.posts[0].closed.wait(), 20)
    assert sample(app, "gateway_open_streams") == 0


async def test_draining_refuses_new_turns_and_ends_the_others_in_time(codex, app) -> None:
    codex.plays(created(), *message("Hel"), STALL)
    given: list[Delta] = []
    begun = asyncio.Event()

    async def run() -> None:
        async with aclosing(pulled(app[keys.TURNS], asked(), ACCESS)) as running:
            async for batch in running:
                given.extend(batch)
                begun.set()

    turn = asyncio.create_task(run())
    await asyncio.wait_for(begun.wait(), 20)
    await app[keys.TURNS].drain(0.05)
    await asyncio.wait_for(turn, 20)
    assert (text(given), end(given).outcome) == ("Hel", Outcome.SHUTDOWN)
    with pytest.raises(ShutdownError):
        await deltas(app, newly_asked())


async def test_a_turn_that_began_before_draining_and_is_sent_after_it_ends_at_once(
    codex, app
) -> None:
    codex.plays(created(), STALL)
    codex.held = asyncio.Event()  # the list of models, without which it is not sent
    turn = asyncio.create_task(deltas(app))
    await until(lambda: codex.lists)
    await app[keys.TURNS].drain(0.05)
    codex.held.set()
    assert end(await asyncio.wait_for(turn, 20)).outcome is Outcome.SHUTDOWN


async def test_tokens_stand_in_no_log_and_no_error(codex, app, caplog) -> None:
    codex.refuses(400, error={"message": f"Bad: {ACCESS.token}"})
    with pytest.raises(UpstreamRefusedError) as caught:
        await deltas(app)
    assert ACCESS.token not in caught.value.message + caplog.text
    assert fingerprint(ACCESS.token) not in caught.value.message
