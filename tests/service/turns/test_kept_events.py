from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.ports import StateStore
from service.turns import kept_values
from service.turns.kept_events import EventPart, KeptEvents
from service.turns.kept_values import KeepLimits, KeptValues
from storage.state.store import open_state

LIMITS = KeepLimits(60, 10**9, 10**9)
ONE, TWO = b"event: a\ndata: {}\n\n", b"event: b\ndata: {}\n\n"


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[StateStore]:
    store = open_state(f"sqlite:{tmp_path}/state.db", lambda _: None)
    yield store
    await store.close()


async def test_parts_come_back_by_their_numbers(state: StateStore) -> None:
    events = KeptEvents(KeptValues(state, LIMITS), "me", "resp_1")
    first, last = EventPart(ONE + TWO), EventPart(TWO, is_last=True)
    assert await events.add(0, first)
    assert await events.add(1, last)
    assert [await events.find(number) for number in range(3)] == [first, last, None]
    assert (first.count, last.count) == (2, 1)
    assert await KeptEvents(KeptValues(state, LIMITS), "you", "resp_1").find(0) is None


async def test_all_parts_are_deleted(state: StateStore) -> None:
    events = KeptEvents(KeptValues(state, LIMITS), "me", "resp_1")
    for number in range(3):
        await events.add(number, EventPart(ONE))
    await events.delete()
    assert [await events.find(number) for number in range(3)] == [None] * 3


async def test_a_part_over_the_limit_is_not_kept(
    state: StateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_values, "MAX_KEPT_BYTES", len(ONE))
    events = KeptEvents(KeptValues(state, LIMITS), "me", "resp_1")
    assert not await events.add(0, EventPart(ONE))  # with the sign before it
    assert await events.find(0) is None
