"""Calls of the log: they are written compactly, and totals know how many had a first token."""

import msgspec

from service.vocabulary.ledger.calls import FIRST_TOKEN_MS, Call, CallTotal, Dialect


def test_a_call_is_written_without_what_is_unknown() -> None:
    call = Call(at_ms=1, request_id="r", dialect=Dialect.CHAT, status=401, total_ms=2, bytes=3)
    assert msgspec.to_builtins(call) == {
        "at_ms": 1,
        "request_id": "r",
        "dialect": "chat",
        "status": 401,
        "total_ms": 2,
        "bytes": 3,
    }


def test_a_total_counts_the_calls_with_a_first_token() -> None:
    counts = tuple(range(len(FIRST_TOKEN_MS) + 1))
    total = CallTotal(
        starts_at=0,
        group="",
        calls=100,
        prompt_tokens=0,
        completion_tokens=0,
        cached_tokens=0,
        reasoning_tokens=0,
        bytes=0,
        total_ms=0,
        first_token_ms=0,
        first_token_counts=counts,
    )
    assert total.first_tokens == sum(counts)
