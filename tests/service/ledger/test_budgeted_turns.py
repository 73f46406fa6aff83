"""Turns and transcriptions of keys with budgets."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from service.ledger.budgeted_turns import BudgetedTranscriptions, BudgetedTurns
from service.ledger.budgets import HeldBudgets
from service.ports import DeltaSink
from service.sink import put
from service.vocabulary.credentials import Budgets, Credential
from service.vocabulary.errors import KeyLimitError, QueueFullError
from service.vocabulary.events import AnswerText, Delta
from service.vocabulary.ledger.sent import note_sent
from storage.state.store import open_state
from tests.sinks import Kept

CREDENTIAL = Credential("t", gateway_key="0" * 64, budgets=Budgets(requests_per_day=1))
REQUEST: Any = None  # no part of a request matters here


class Upstream:
    """Runs turns and transcribes; refuses before it sends anything if it is told to."""

    def __init__(self) -> None:
        self.refuses = False

    async def run(self, _request: Any, _credential: Any, sink: DeltaSink) -> None:
        if self.refuses:
            raise QueueFullError("full")
        note_sent()
        await put(sink, [AnswerText("a")])
        await put(sink, [AnswerText("b")])

    async def transcribe(self, *_: object) -> str:
        if self.refuses:
            raise QueueFullError("full")
        note_sent()
        return "words"

    async def drain(self, _seconds: float) -> None: ...


@pytest.fixture
async def budgets(tmp_path: Path) -> AsyncIterator[HeldBudgets]:
    state = open_state(f"sqlite:{tmp_path}/state.db", lambda _: None)
    yield HeldBudgets(state)
    await state.close()


async def read(turns: BudgetedTurns, credential: Credential = CREDENTIAL) -> list[list[Delta]]:
    kept = Kept()
    await turns.run(REQUEST, credential, kept)  # type: ignore[arg-type]  # without a lane
    return kept.batches


async def test_a_turn_counts_unless_nothing_was_sent(budgets: HeldBudgets) -> None:
    upstream = Upstream()
    turns = BudgetedTurns(upstream, budgets)
    upstream.refuses = True
    for _ in range(2):
        with pytest.raises(QueueFullError):
            await read(turns)
    upstream.refuses = False
    assert await read(turns) == [[AnswerText("a")], [AnswerText("b")]]
    with pytest.raises(KeyLimitError):
        await read(turns)


async def test_a_key_without_a_budget_is_not_counted(budgets: HeldBudgets) -> None:
    turns = BudgetedTurns(Upstream(), budgets)
    for _ in range(3):
        assert len(await read(turns, Credential("t"))) == 2


async def test_a_recording_counts_as_a_turn(budgets: HeldBudgets) -> None:
    upstream = Upstream()
    transcriptions = BudgetedTranscriptions(upstream, budgets)
    upstream.refuses = True
    with pytest.raises(QueueFullError):
        await transcriptions.transcribe(REQUEST, None, CREDENTIAL)
    upstream.refuses = False
    assert await transcriptions.transcribe(REQUEST, None, CREDENTIAL) == "words"
    with pytest.raises(KeyLimitError):
        await asyncio.wait_for(transcriptions.transcribe(REQUEST, None, CREDENTIAL), 5)
