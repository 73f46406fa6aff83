"""Every fault over a real socket."""

from typing import Any

import pytest
from aiohttp import ClientError

from tests.upstream.demo.codex.client import RESPONSES, CodexClient, body_of, user
from tests.upstream.demo.codex.conftest import Clock
from upstream.demo.codex.faults import REFUSED, STREAM_FAULTS


@pytest.mark.parametrize(
    ("text", "status", "kind", "word"),
    [
        ("/fault 400:stream", 400, "json", "stream"),
        ("/fault 401", 401, "json", "token_invalidated"),
        ("/fault 402", 402, "json", "insufficient_quota"),
        ("/fault 403", 403, "json", "account_deactivated"),
        ("/fault 404", 404, "json", "Not Found"),
        ("/fault 405", 405, "json", "Not Allowed"),
        ("/fault 413", 413, "json", "too large"),
        ("/fault 429", 429, "json", "rate_limit_exceeded"),
        ("/fault 500", 500, "json", "server_error"),
        ("/fault 501", 501, "json", "Not Implemented"),
        ("/fault 502", 502, "json", "Bad Gateway"),
        ("/fault 503", 503, "json", "server_is_overloaded"),
        ("/fault 503:slow_down", 503, "json", "slow_down"),
        ("/fault expired", 401, "json", "token_expired"),
        ("/fault revoked", 401, "json", "token_revoked"),
        ("/fault limit", 429, "json", "usage_limit_reached"),
        ("/fault not-included", 429, "json", "usage_not_included"),
        ("/fault capacity", 400, "json", "Selected model is at capacity"),
        ("/fault detail-object", 400, "json", "demo_refusal"),
        ("/fault cloudflare", 403, "html", "challenges.cloudflare.com"),
        ("/fault html200", 200, "html", "challenges.cloudflare.com"),
        ("/fault error200", 200, "json", "server_error"),
        ("/fault empty-404", 404, "", ""),
    ],
)
async def test_refusals_stand_in_the_answers_place(
    anna: CodexClient, text: str, status: int, kind: str, word: str
) -> None:
    answer = await anna.ask(text)
    assert answer.status == status
    assert answer.headers.get("Content-Type", "").partition(";")[0].endswith(kind)
    assert word in answer.raw.decode()
    assert bool(answer.raw) == bool(word)


def test_every_refusal_is_played_above() -> None:
    marks = test_refusals_stand_in_the_answers_place.pytestmark  # type: ignore[attr-defined]
    played = {case[0].split()[1].partition(":")[0] for case in marks[0].args[1]}
    assert played == REFUSED


@pytest.mark.parametrize(
    ("text", "last", "fields"),
    [
        ("failed:slow_down", "response.failed", {"code": "slow_down"}),
        ("failed:rate_limit_exceeded", "response.failed", {"code": "rate_limit_exceeded"}),
        ("failed:402", "response.failed", {"status_code": 402, "code": "insufficient_quota"}),
        ("error:invalid_prompt", "error", {"code": "invalid_prompt"}),
        ("overloaded-in-200", "error", {"code": "server_is_overloaded"}),
        ("limit-in-200", "error", {"type": "usage_limit_reached", "plan_type": "plus"}),
    ],
)
async def test_a_stream_ends_with_an_error(
    anna: CodexClient, text: str, last: str, fields: dict[str, Any]
) -> None:
    answer = await anna.ask(f"/fault {text}")
    assert (answer.status, answer.last["type"]) == (200, last)
    error = answer.last["response"]["error"] if last != "error" else answer.last["error"]
    assert fields.items() <= error.items()
    assert answer.deltas("output_text") == []


async def test_an_error_event_may_be_flat_and_come_after_words(anna: CodexClient) -> None:
    answer = await anna.ask("/fault error-flat:slow_down 3")
    assert answer.last["type"] == "error"
    assert (answer.last["code"], "error" in answer.last) == ("slow_down", False)
    assert len(answer.deltas("output_text")) == 3


async def test_a_limit_within_a_stream_lets_the_account_rest(
    anna: CodexClient, clock: Clock
) -> None:
    answer = await anna.ask("/fault limit-in-200 30")
    assert answer.last["error"]["resets_at"] == clock.now + 30
    assert (await anna.ask("hello")).status == 429


@pytest.mark.parametrize(
    ("text", "reason"),
    [("incomplete", "max_output_tokens"), ("incomplete:content_filter", "content_filter")],
)
async def test_an_answer_is_incomplete(anna: CodexClient, text: str, reason: str) -> None:
    answer = await anna.ask(f"/fault {text}")
    assert answer.last["type"] == "response.incomplete"
    assert answer.last["response"]["incomplete_details"] == {"reason": reason}
    assert answer.text.startswith("Demo answer")


async def test_a_stream_stops_cleanly(anna: CodexClient) -> None:
    answer = await anna.ask("/fault close 2")
    assert len(answer.deltas("output_text")) == 2
    assert answer.last["type"] == "response.output_text.delta"


@pytest.mark.parametrize("text", ["/fault cut 2", "/fault refuse"])
async def test_a_connection_is_dropped(anna: CodexClient, text: str) -> None:
    with pytest.raises(ClientError):
        await anna.ask(text)
    stats = await anna.stats()
    assert (stats["streams_open"], stats["closed_by_peer"]) == (0, 0)


async def test_an_answer_is_late(anna: CodexClient) -> None:
    assert (await anna.ask("/fault slow 0.01")).last["type"] == "response.completed"
    assert (await anna.ask("/fault silent 0.01")).last["type"] == "response.completed"


async def test_a_silent_stream_has_begun(anna: CodexClient) -> None:
    url, read = anna.base + RESPONSES, b""
    async with anna.session.post(
        url, json=body_of("/fault silent"), headers=anna.headers()
    ) as response:
        while b"response.in_progress" not in read:
            read += await response.content.readany()
        assert b"output_item" not in read
        response.close()


async def test_noise_is_mixed_in(anna: CodexClient) -> None:
    answer = await anna.ask("/fault garbage")
    assert answer.last["type"] == "response.completed"
    assert {"keepalive", "codex.private", "response.never_heard_of"} <= set(answer.types)
    assert b": a comment\n\n" in answer.raw


async def test_an_expired_token_is_refused_until_another_comes(anna: CodexClient) -> None:
    assert (await anna.ask("/fault expired")).status == 401
    assert (await anna.ask("/fault expired")).status == 401, "the token has ended"
    await anna.exchange()
    assert (await anna.ask("/fault expired")).status == 200


async def test_a_fault_may_happen_once(anna: CodexClient) -> None:
    assert [(await anna.ask("/fault once:503")).status for _ in range(3)] == [503, 200, 200]
    assert (await anna.ask("another talk /fault once:503")).status == 503


async def test_stale_reasoning_is_refused_until_it_is_left_out(anna: CodexClient) -> None:
    item = (await anna.ask("/scene reasoning")).items[0]
    kept = {name: item[name] for name in ("type", "summary", "encrypted_content")}
    answer = await anna.ask("", input=[kept, user("/fault stale")])
    assert (answer.status, answer.json["error"]["code"]) == (400, "invalid_encrypted_content")
    assert (await anna.ask("/fault stale")).status == 200


async def test_a_fault_that_is_not_known_breaks_nothing(anna: CodexClient) -> None:
    assert (await anna.ask("/fault nonsense")).last["type"] == "response.completed"


def test_names_are_of_one_table() -> None:
    assert not REFUSED & STREAM_FAULTS
    assert all(name == name.lower() for name in REFUSED | STREAM_FAULTS)
