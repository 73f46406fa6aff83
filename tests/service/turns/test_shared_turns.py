import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from service.ports import DeltaSink
from service.turns import shared_turns
from service.turns.shared_turns import SharedTurns
from service.vocabulary.credentials import Credential
from service.vocabulary.errors import RequestError, UpstreamUnreachableError
from service.vocabulary.events import AnswerText, Delta, Failure, Outcome, TurnEnded
from service.vocabulary.requests import (
    ChatMessage,
    ChatRequest,
    FilePart,
    LocalFile,
    Profile,
    TextPart,
)
from tests.gateway import until
from tests.rows import each_row
from tests.sinks import pulled, pushed

ADA, BOB = Credential("fk-ada"), Credential("fk-bob")
END = TurnEnded(Outcome.COMPLETE, "stop")
CUT = TurnEnded(Outcome.CUT, None, Failure(502, "cut", "upstream_error", "upstream_cut"))
HELLO = ChatRequest(
    request_id="r-1",
    model="gpt-4o",
    messages=(ChatMessage("user", (TextPart("Hello"),)),),
    is_stream=False,
    is_usage_wanted=False,
    profile=Profile.WEB,
    public_url="u",
    received_at=1.0,
)


class Counted:
    """Counts its turns, each of which waits for a gate after the first batch."""

    def __init__(self, *script: list[Delta] | Exception) -> None:
        self.script = script or ([AnswerText("a")], [AnswerText("b"), END])
        self.gate = asyncio.Event()
        self.gate.set()
        self.begun = 0
        self.closed = 0
        self.given = 0

    async def run(self, _request: ChatRequest, _credential: Credential, sink: DeltaSink) -> None:
        await pushed(self.batches(), sink)

    async def batches(self) -> AsyncGenerator[list[Delta], None]:
        self.begun += 1
        try:
            for step in self.script:
                if isinstance(step, Exception):
                    raise step
                self.given += 1
                yield step
                await self.gate.wait()
        finally:
            self.closed += 1

    async def drain(self, seconds: float) -> None:
        self.drained = seconds


def keyed(key: str = "k", **changes: Any) -> ChatRequest:
    return structs.replace(HELLO, idempotency_key=key, **changes)


async def told(turns: SharedTurns, request: ChatRequest, who: Credential = ADA) -> list[Delta]:
    async with aclosing(pulled(turns, request, who)) as batches:
        return [delta async for batch in batches for delta in batch]


async def test_requests_of_one_key_share_a_turn_and_see_all_of_it() -> None:
    inner = Counted()
    turns = SharedTurns(inner)
    first, second = await asyncio.gather(
        told(turns, keyed()), told(turns, keyed(request_id="r-2", received_at=2.0, is_stream=True))
    )
    late = await told(turns, keyed(request_id="r-3"))
    assert first == second == late == [AnswerText("a"), AnswerText("b"), END]
    assert (inner.begun, inner.closed) == (1, 1)


async def test_other_keys_and_other_callers_have_turns_of_their_own() -> None:
    inner = Counted()
    turns = SharedTurns(inner)
    await asyncio.gather(
        told(turns, keyed()),
        told(turns, keyed("other")),
        told(turns, keyed(), BOB),
        told(turns, HELLO),
    )
    assert inner.begun == 4


async def test_a_key_stands_for_one_request() -> None:
    turns = SharedTurns(Counted())
    await told(turns, keyed())
    with pytest.raises(RequestError, match="used for another request"):
        await told(turns, keyed(model="gpt-4"))


async def test_the_turn_outlasts_its_first_caller_but_not_its_last() -> None:
    inner = Counted()
    inner.gate.clear()
    turns = SharedTurns(inner)
    first, second = pulled(turns, keyed(), ADA), pulled(turns, keyed(), ADA)
    assert await anext(first) == await anext(second) == [AnswerText("a")]
    await first.aclose()
    assert inner.closed == 0
    await second.aclose()
    assert inner.closed == 1
    inner.gate.set()
    assert len(await told(turns, keyed())) == 3  # a new try
    assert inner.begun == 2


@each_row("failure", [UpstreamUnreachableError("no"), [AnswerText("a"), CUT]])
async def test_a_failure_is_everybody_s_and_asking_again_is_a_new_try(failure: Any) -> None:
    inner = Counted(failure)
    turns = SharedTurns(inner)
    results = await asyncio.gather(
        told(turns, keyed()), told(turns, keyed()), return_exceptions=True
    )
    assert results == [failure, failure]
    assert inner.begun == 1
    await asyncio.gather(told(turns, keyed()), return_exceptions=True)
    assert inner.begun == 2


async def test_a_slow_caller_slows_the_upstream() -> None:
    inner = Counted(*[[AnswerText(str(n))] for n in range(100)], [END])
    batches = pulled(SharedTurns(inner), keyed(), ADA)
    for _ in range(3):
        await anext(batches)
    await asyncio.sleep(0.05)
    assert inner.given <= 3 + shared_turns.MAX_AHEAD
    await batches.aclose()


async def test_without_a_key_nothing_is_shared() -> None:
    inner = Counted()
    turns = SharedTurns(inner)
    await asyncio.gather(told(turns, HELLO), told(turns, HELLO))
    assert inner.begun == 2


async def test_a_request_that_brought_files_is_its_own() -> None:
    inner = Counted()
    turns = SharedTurns(inner)
    file = LocalFile(Path("x"), "x", "text/plain", 1, "0")
    request = keyed(messages=(ChatMessage("user", (FilePart("image", local=file),)),))
    await asyncio.gather(told(turns, request), told(turns, request))
    assert inner.begun == 2


async def test_answers_are_kept_for_a_while_and_not_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inner = Counted()
    turns = SharedTurns(inner)
    monkeypatch.setattr(shared_turns, "MAX_KEPT", 2)
    for key in ("1", "2", "3", "4"):
        await told(turns, keyed(key))
    await told(turns, keyed("4"))
    assert inner.begun == 4
    await told(turns, keyed("1"))
    assert inner.begun == 5


async def test_an_answer_is_forgotten_in_time_though_nobody_asks_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inner = Counted([AnswerText("x" * 100_000)], [END])
    turns = SharedTurns(inner)
    monkeypatch.setattr(shared_turns, "KEEP_SECONDS", 0.01)
    for key in ("1", "2", "3"):
        await told(turns, keyed(key))
    await until(lambda: not turns._shared)
    assert turns._bytes == 0
    await told(turns, keyed("1"))
    assert inner.begun == 4


async def test_answers_are_bounded_in_bytes_and_the_oldest_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inner = Counted([AnswerText("x" * 100_000)], [END])
    turns = SharedTurns(inner)
    monkeypatch.setattr(shared_turns, "MAX_BYTES", 350_000)
    for key in "123456":
        await told(turns, keyed(key))
        assert turns._bytes <= 350_000
    await told(turns, keyed("4"))
    assert inner.begun == 6
    await told(turns, keyed("3"))
    assert inner.begun == 7


async def test_an_answer_that_grows_too_long_is_seen_whole_by_those_who_joined_and_by_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shared_turns, "MAX_ANSWER_BYTES", 50_000)
    texts: list[Delta] = [AnswerText(f"{number} " + "x" * 10_000) for number in range(200)]
    inner = Counted(*[[text] for text in texts], [END])
    turns, most = SharedTurns(inner), 0

    async def slow() -> list[Delta]:
        nonlocal most
        found: list[Delta] = []
        async for batch in pulled(turns, keyed(), ADA):
            found += batch
            most = max(most, turns._bytes)
            await asyncio.sleep(0.0001)
        return found

    first, second = await asyncio.gather(told(turns, keyed()), slow())
    assert first == second == [*texts, END]
    assert most < 50_000 + 3 * shared_turns.MAX_AHEAD * 11_000
    assert turns._bytes == 0
    await told(turns, keyed())
    assert inner.begun == 2


async def test_who_leaves_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_turns, "MAX_ANSWER_BYTES", 10_000)
    inner = Counted(*[[AnswerText("x" * 100)] for _ in range(100)], [END])
    turns = SharedTurns(inner)
    stalled = pulled(turns, keyed(), ADA)
    await anext(stalled)
    other = asyncio.ensure_future(told(turns, keyed()))
    await until(lambda: not turns._shared)
    await asyncio.sleep(0.01)
    assert not other.done(), "what the first has not seen would be held"
    await stalled.aclose()
    assert len(await other) == 101


async def test_draining_is_the_turns_own() -> None:
    inner = Counted()
    await SharedTurns(inner).drain(5.0)
    assert inner.drained == 5.0
