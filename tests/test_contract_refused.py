"""Turns that the upstream refuses (spec 6.4, 11; protocol 4.2), or that wait in vain."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.conftest import StartGateway
from tests.gateway import ACCESS_TOKEN, Answer, until
from tests.scripted_upstream import (
    DONE,
    STALL,
    Abort,
    Head,
    Pause,
    ScriptedUpstream,
    Step,
    answer,
    final,
    scripted_upstream,
)
from tests.test_contract import STREAMED

PAGE = b"<html><head><title>Just a moment...</title></head><body>cf-please-wait</body></html>"
EXPIRED = {
    "detail": {
        "message": "Your authentication token has expired. Please try signing in again.",
        "type": "invalid_request_error",
        "param": None,
        "code": "token_expired",
    }
}
CAP = {
    "detail": {
        "message": "You have sent too many messages to the model.",
        "code": "model_cap_exceeded",
        "clears_in": 11461,
    }
}
ONE_AT_A_TIME = (
    "Only one message at a time. Please allow any other responses to complete before sending "
    "another message, or wait one minute."
)
TOO_LONG = {
    "detail": {
        "message": "The message you submitted was too long, please reload the conversation and "
        "submit something shorter.",
        "code": "message_length_exceeds_limit",
    }
}
WRONG = {"detail": "Something went wrong, please try reloading the conversation."}
UNUSUAL = {"detail": "Our systems have detected unusual activity coming from your system."}
VALIDATION = {"detail": [{"loc": ["body", "model"], "msg": "field required", "type": "missing"}]}
HTML = "text/html"


@dataclass(frozen=True)
class Refused:
    """The upstream's answer, and the caller's."""

    name: str
    upstream_status: int
    body: Step
    status: int
    code: str
    words: str = ""
    type: str = "upstream_error"
    param: str | None = None
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    retry_after: str | None = None


def missing(code: str) -> dict[str, Any]:
    return {"detail": {"message": "It is not there.", "code": code}}


INVALID, LIMITED = "invalid_request_error", "rate_limit_error"
REFUSALS = [
    Refused("401", 401, EXPIRED, 401, "invalid_api_key", "has expired", INVALID),
    Refused("401 string", 401, {"detail": "Unauthorized"}, 401, "invalid_api_key", "", INVALID),
    Refused("401 page", 401, PAGE, 502, "upstream_error", "web page", content_type=HTML),
    Refused(
        "403 of this account",
        403,
        {"detail": {"message": "This account may not use this model.", "code": "no_access"}},
        403,
        "permission_error",
        "may not use this model",
        "permission_error",
    ),
    Refused("403 of the network", 403, UNUSUAL, 502, "upstream_error", "unusual activity"),
    Refused("403 page", 403, PAGE, 502, "upstream_error", "web page", content_type=HTML),
    Refused("503 page", 503, PAGE, 502, "upstream_error", "web page", content_type=HTML),
    *(
        Refused(f"404 {code}", 404, missing(code), 404, code, "It is not there.", INVALID)
        for code in (
            "conversation_not_found",
            "conversation_inaccessible",
            "conversation_deleted",
            "history_disabled_conversation_not_found",
            "history_disabled_conversation_expired",
        )
    ),
    Refused(
        "404 model",
        404,
        missing("model_not_found"),
        404,
        "model_not_found",
        "It is not there.",
        INVALID,
        "model",
    ),
    Refused("404 page", 404, PAGE, 502, "upstream_error", "web page", content_type=HTML),
    Refused("413", 413, TOO_LONG, 400, "context_length_exceeded", "was too long", INVALID),
    Refused("422 list", 422, VALIDATION, 400, "invalid_request", "field required", INVALID),
    Refused(
        "422 string",
        422,
        {"detail": "Invalid conversation body"},
        400,
        "invalid_request",
        "Invalid conversation body",
        INVALID,
    ),
    Refused(
        "429 cap",
        429,
        CAP,
        429,
        "rate_limit_exceeded",
        "too many messages",
        LIMITED,
        retry_after="11461",
    ),
    Refused(
        "429 one at a time",
        429,
        {"detail": ONE_AT_A_TIME},
        429,
        "rate_limit_exceeded",
        "Only one message at a time.",
        LIMITED,
    ),
    Refused(
        "429 with a header",
        429,
        {"detail": "Too many requests"},
        429,
        "rate_limit_exceeded",
        "Too many requests",
        LIMITED,
        headers={"Retry-After": "30"},
        retry_after="30",
    ),
    Refused(
        "429 plain",
        429,
        b"Slow down, please.",
        429,
        "rate_limit_exceeded",
        "Slow down, please.",
        LIMITED,
        content_type="text/plain",
    ),
    Refused("500", 500, WRONG, 502, "upstream_error", "Something went wrong, please try reloading"),
    Refused("502 empty", 502, b"", 502, "upstream_error", content_type="text/plain"),
    Refused("503", 503, WRONG, 502, "upstream_error", "Something went wrong"),
    Refused(
        "nested error",
        400,
        {"error": {"error": {"code": "conversation_too_large"}, "message": "It is large."}},
        400,
        "context_length_exceeded",
        "It is large.",
        INVALID,
    ),
    Refused(
        "flagged",
        400,
        {"detail": {"code": "flagged_by_moderation", "message": "No."}},
        400,
        "content_policy_violation",
        "No.",
        INVALID,
    ),
]


def check(got: Answer, row: Refused) -> None:
    error = got.error
    assert error is not None
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["code"], error["type"], error["param"]) == (row.code, row.type, row.param)
    assert row.words in error["message"]
    assert b"<" not in got.body


@STREAMED
@pytest.mark.parametrize("row", REFUSALS, ids=lambda row: row.name)
async def test_a_refusal_has_its_status_and_its_words(
    row: Refused, stream: bool, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(row.body, head=Head(row.upstream_status, row.content_type, row.headers))
    gateway = await start_gateway(scripted.url, upstream={"retries": 0})
    got = await gateway.chat(stream=stream)
    assert (got.status, got.is_stream) == (row.status, False)
    check(got, row)
    assert got.headers.get("Retry-After") == row.retry_after
    is_long = row.retry_after is not None and int(row.retry_after) > 60
    assert got.headers.get("x-should-retry") == ("false" if is_long else None)
    assert await gateway.outcomes() == {"refused": 1.0}
    assert len(scripted.turns) == 1


@STREAMED
@pytest.mark.parametrize(
    "row", [row for row in REFUSALS if row.name in {"429 cap", "404 model", "403 page"}], ids=str
)
async def test_a_refusal_after_the_head_is_in_the_stream(
    row: Refused, stream: bool, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(Pause(0.3), row.body, head=Head(row.upstream_status, row.content_type))
    gateway = await start_gateway(scripted.url, stream={"head_seconds": 0.1})
    got = await gateway.chat(stream=stream)
    assert got.status == (200 if stream else row.status)
    check(got, row)
    assert (got.text, got.finish) == ("", None)
    if stream:
        assert b": ping\n\n" in got.body
        assert b"[DONE]" not in got.body
        assert set(got.events[-1]) == {"error"}
    assert await gateway.outcomes() == {"refused": 1.0}


# --- tokens ---------------------------------------------------------------------------


@STREAMED
async def test_a_401_is_followed_by_one_refresh_and_one_more_try(
    stream: bool, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(final("Hello"), DONE)
    gateway = await start_gateway(scripted.url)
    await gateway.chat(token="a-refresh-token")
    scripted.refused_tokens.add(scripted.access_token)
    scripted.access_token = "fk-the-next-access-token"
    got = await gateway.chat(token="a-refresh-token", stream=stream)
    assert (got.status, got.text) == (200, "Hello")
    assert scripted.refreshes == ["a-refresh-token"] * 2
    assert scripted.turns[-1].headers["Authorization"] == "Bearer fk-the-next-access-token"
    assert await gateway.outcomes() == {"complete": 2.0}


@STREAMED
async def test_a_second_401_is_the_caller_s(
    stream: bool, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(final("Hello"), DONE)
    gateway = await start_gateway(scripted.url)
    scripted.access_token = "fk-this-one-is-refused"
    scripted.refused_tokens |= {"fk-this-one-is-refused", "fk-that-one-is-refused"}
    await gateway.chat(token="a-refresh-token")
    scripted.refreshes.clear()
    scripted.access_token = "fk-that-one-is-refused"
    got = await gateway.chat(token="a-refresh-token", stream=stream)
    assert (got.status, got.error["code"]) == (401, "invalid_api_key")
    assert len(scripted.refreshes) == 1
    assert scripted.turns == []


async def test_a_refused_access_token_cannot_be_renewed(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(EXPIRED, head=Head(401, "application/json"))
    gateway = await start_gateway(scripted.url)
    got = await gateway.chat()
    assert (got.status, got.error["code"]) == (401, "invalid_api_key")
    assert scripted.refreshes == []
    assert len(scripted.turns) == 1


async def test_a_401_for_the_accounts_is_followed_by_one_refresh_too(
    demo: str, start_gateway: StartGateway
) -> None:
    gateway = await start_gateway(demo)

    async def account_ids(token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{gateway.url}/getAccountID"
        async with gateway.session.post(url, headers=headers) as response:
            return int(response.status)

    async def revoke_all() -> None:
        async with gateway.session.post(f"{demo}/demo/revoke", json={"all": True}) as response:
            assert response.status == 200

    assert await account_ids("a-refresh-token") == 200
    await revoke_all()
    assert await account_ids("a-refresh-token") == 200
    assert await gateway.counts("gateway_token_refreshes_total", "result") == {"ok": 2.0}


async def test_no_credential_is_a_401_before_anything_is_sent(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    gateway = await start_gateway(scripted.url)
    for headers in ({"Authorization": ""}, {"Authorization": "Basic eA=="}):
        got = await gateway.chat(headers=headers)
        assert (got.status, got.error["code"]) == (401, "invalid_api_key")
    assert (scripted.refreshes, scripted.turns) == ([], [])


# --- trying again ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refusal", "head"),
    [
        (WRONG, Head(502)),
        (WRONG, Head(503)),
        (WRONG, Head(504)),
        ({"detail": "slow"}, Head(429, headers={"Retry-After": "0.1"})),
        (Abort(), Head()),
    ],
    ids=["502", "503", "504", "429", "broken"],
)
@STREAMED
async def test_a_passing_refusal_is_tried_again_and_the_caller_sees_one_answer(
    refusal: Step,
    head: Head,
    stream: bool,
    scripted: ScriptedUpstream,
    start_gateway: StartGateway,
) -> None:
    scripted.plays(refusal, head=head)
    scripted.plays(answer("Hel"), final("Hello"), DONE)
    gateway = await start_gateway(scripted.url)
    got = await gateway.chat(stream=stream)
    assert (got.status, got.text, got.finish) == (200, "Hello", "stop")
    assert len(scripted.turns) == 2
    assert scripted.turns[0].body["messages"] == scripted.turns[1].body["messages"]
    assert "gateway_upstream_retries_total 1.0" in await gateway.metrics()
    assert await gateway.outcomes() == {"complete": 1.0}


@STREAMED
async def test_tries_end(
    stream: bool, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(WRONG, head=Head(503))
    gateway = await start_gateway(scripted.url, upstream={"retries": 1})
    got = await gateway.chat(stream=stream)
    assert (got.status, got.error["code"]) == (502, "upstream_error")
    assert len(scripted.turns) == 2


@STREAMED
async def test_nothing_is_tried_again_once_an_event_has_come(
    stream: bool, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(answer("Hel"), Pause(0.05), Abort())
    gateway = await start_gateway(scripted.url)
    got = await gateway.chat(stream=stream)
    assert (got.text, got.error["code"]) == ("Hel", "upstream_cut")
    assert len(scripted.turns) == 1


async def test_a_limit_longer_than_five_seconds_goes_to_the_caller_at_once(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays({"detail": {"message": "Wait.", "clears_in": 6}}, head=Head(429))
    gateway = await start_gateway(scripted.url)
    got = await gateway.chat()
    assert (got.status, got.headers["Retry-After"]) == (429, "6")
    assert "x-should-retry" not in got.headers
    assert len(scripted.turns) == 1


async def test_an_upstream_that_is_not_there_is_a_502(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    gateway = await start_gateway(scripted.url, upstream={"retries": 1})
    await scripted.stop()
    got = await gateway.chat()
    assert (got.status, got.error["code"]) == (502, "upstream_error")


# --- prefixes -------------------------------------------------------------------------


async def test_prefixes_are_used_in_turn(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(final("Hello"), DONE)
    gateway = await start_gateway(scripted.url, upstream={"api_prefixes": ["one", "two"]})
    for _ in range(4):
        assert (await gateway.chat()).status == 200
    assert [turn.path.split("/")[1] for turn in scripted.turns] == ["one", "two", "one", "two"]


@pytest.mark.parametrize("head", [Head(503), Head(500), Head(403, HTML)], ids=str)
async def test_a_broken_prefix_is_left_alone_for_a_while(
    head: Head, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(PAGE if head.content_type == HTML else WRONG, head=head)
    scripted.plays(final("Hello"), DONE)
    gateway = await start_gateway(scripted.url, upstream={"api_prefixes": ["one", "two"]})
    for _ in range(4):
        await gateway.chat()
    assert [turn.path.split("/")[1] for turn in scripted.turns][:5] == ["one"] + ["two"] * (
        len(scripted.turns) - 1
    )


@pytest.mark.parametrize(
    ("steps", "head"),
    [
        ((CAP,), Head(429)),
        ((UNUSUAL,), Head(403)),
        ((missing("model_not_found"),), Head(404)),
        ((answer("Hel"), Pause(0.02), Abort()), Head()),
        ((DONE,), Head()),
    ],
    ids=["429", "403", "404", "cut", "empty"],
)
async def test_what_is_not_the_prefix_s_fault_does_not_cool_it(
    steps: tuple[Step, ...],
    head: Head,
    scripted: ScriptedUpstream,
    start_gateway: StartGateway,
) -> None:
    scripted.plays(*steps, head=head)
    scripted.plays(final("Hello"), DONE)
    gateway = await start_gateway(scripted.url, upstream={"api_prefixes": ["one", "two"]})
    for _ in range(3):
        await gateway.chat()
    assert [turn.path.split("/")[1] for turn in scripted.turns] == ["one", "two", "one"]


async def test_one_prefix_is_tried_even_while_it_cools(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(WRONG, head=Head(500))
    scripted.plays(final("Hello"), DONE)
    gateway = await start_gateway(scripted.url, upstream={"api_prefixes": ["one"]})
    assert (await gateway.chat()).status == 502
    assert (await gateway.chat()).status == 200


# --- waiting --------------------------------------------------------------------------


@STREAMED
async def test_a_full_queue_is_a_429_at_once(
    stream: bool, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(answer("Hel"), STALL)
    gateway = await start_gateway(
        scripted.url, upstream={"streams_per_account": 1, "queue_per_account": 0}
    )
    async with gateway.open_chat(stream=True) as first:
        assert first.status == 200
        got = await gateway.chat(stream=stream)
        assert (got.status, got.error["code"]) == (429, "rate_limit_exceeded")
        assert got.error["type"] == "rate_limit_error"
        assert int(got.headers["Retry-After"]) > 0
        other = asyncio.ensure_future(gateway.chat(token="fk-another-account", stream=True))
        await until(lambda: len(scripted.turns) == 2)
        first.close()
        other.cancel()
        await asyncio.wait([other])
    assert (await gateway.outcomes())["refused"] == 1.0


@STREAMED
async def test_one_who_waited_too_long_gets_a_429(
    stream: bool, scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(answer("Hel"), STALL)
    limits = {"streams_per_account": 1, "queue_per_account": 5, "queue_seconds": 0.3}
    gateway = await start_gateway(scripted.url, upstream=limits, stream={"head_seconds": 0.1})
    async with gateway.open_chat(stream=True) as first:
        got = await gateway.chat(stream=stream)
        assert got.status == (200 if stream else 429)
        assert got.error["code"] == "rate_limit_exceeded"
        assert set(got.events[-1] if stream else got.json) == {"error"}
        assert b"[DONE]" not in got.body
        first.close()
    assert len(scripted.turns) == 1


async def test_those_who_wait_come_on_in_order(
    scripted: ScriptedUpstream, start_gateway: StartGateway
) -> None:
    scripted.plays(Pause(0.05), final("Hello"), DONE)
    gateway = await start_gateway(scripted.url, upstream={"streams_per_account": 1})
    tasks = []
    for number in range(4):
        tasks.append(asyncio.ensure_future(gateway.chat(f"number {number}")))
        await asyncio.sleep(0.01)
    assert [got.status for got in await asyncio.gather(*tasks)] == [200] * 4
    asked = [turn.body["messages"][-1]["content"]["parts"][0] for turn in scripted.turns]
    assert asked == [f"number {number}" for number in range(4)]


async def test_an_access_token_that_is_a_bearer_s_own_goes_through_as_it_is(
    start_gateway: StartGateway,
) -> None:
    async with scripted_upstream() as upstream:
        upstream.plays(final("Hello"), DONE)
        gateway = await start_gateway(upstream.url)
        await gateway.chat(token=f"{ACCESS_TOKEN},team-1")
        assert upstream.turns[0].headers["Authorization"] == f"Bearer {ACCESS_TOKEN}"
        assert upstream.turns[0].headers["ChatGPT-Account-ID"] == "team-1"
        assert upstream.refreshes == []
