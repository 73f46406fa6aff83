import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from service.ports import StateStore
from service.turns.kept_conversations import KeptConversation, KeptConversations
from service.turns.kept_values import KeepLimits, KeptValues
from service.vocabulary.errors import RequestError
from storage.state.store import open_state

LIMITS = KeepLimits(60, 10**9, 10**9)
SEALED = {"rs_1": "sealed one", "rs_2": "sealed two"}
KEPT = KeptConversation(
    id="conv_1",
    created_at=1,
    items=[{"id": "rs_1", "type": "reasoning"}, {"id": "msg_1", "type": "message"}],
    conversation_id="upstream",
    message_id="message",
    sealed=SEALED,
)


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[StateStore]:
    store = open_state(f"sqlite:{tmp_path}/state.db", lambda _: None)
    yield store
    await store.close()


def item(name: str) -> dict[str, Any]:
    return {"id": name, "type": "message"}


async def test_what_is_kept_is_found_and_deleted_by_its_owner_only(state: StateStore) -> None:
    kept = KeptConversations(KeptValues(state, LIMITS))
    assert await kept.keep("me", KEPT)
    assert await kept.find("me", "conv_1") == KEPT
    assert await kept.find("you", "conv_1") is None
    assert not await kept.delete("you", "conv_1")
    assert await kept.delete("me", "conv_1")
    assert await kept.find("me", "conv_1") is None


def test_whole_items_have_what_is_sealed() -> None:
    assert KEPT.whole_items[0]["encrypted_content"] == "sealed one"
    assert "encrypted_content" not in KEPT.whole_items[1]


def test_other_items_have_no_place_at_the_upstream() -> None:
    other = KEPT.with_items([item("msg_1")])
    assert (other.conversation_id, other.message_id, other.sealed) == (None, None, {})
    assert KEPT.with_items([*KEPT.items, item("msg_2")]).sealed == {"rs_1": "sealed one"}


async def test_two_processes_lose_nothing_of_each_others(tmp_path: Path) -> None:
    stores = [open_state(f"sqlite:{tmp_path}/state.db", lambda _: None) for _ in range(2)]
    processes = [KeptConversations(KeptValues(store, LIMITS)) for store in stores]
    await processes[0].keep("me", structs.replace(KEPT, items=[]))

    async def add(process: KeptConversations, number: int) -> None:
        async with process.changing("me", "conv_1") as change:
            assert change is not None
            await asyncio.sleep(0)
            change.now = change.now.with_items([*change.now.items, item(f"msg_{number}")])

    await asyncio.gather(*(add(processes[number % 2], number) for number in range(20)))
    found = await processes[0].find("me", "conv_1")
    assert found is not None
    assert {each["id"] for each in found.items} == {f"msg_{number}" for number in range(20)}
    for store in stores:
        await store.close()


async def test_a_conversation_of_nobody_is_not_changed(state: StateStore) -> None:
    kept = KeptConversations(KeptValues(state, LIMITS))
    async with kept.changing("me", "conv_1") as change:
        assert change is None


async def test_a_change_that_fails_leaves_it_as_it_was(state: StateStore) -> None:
    kept = KeptConversations(KeptValues(state, LIMITS))
    await kept.keep("me", KEPT)

    async def fail() -> None:
        async with kept.changing("me", "conv_1") as change:
            assert change is not None
            change.now = change.now.with_items([])
            raise KeyError

    with pytest.raises(KeyError):
        await fail()
    assert await kept.find("me", "conv_1") == KEPT


def test_one_that_is_full_is_refused(state: StateStore) -> None:
    kept = KeptConversations(KeptValues(state, KeepLimits(60, 300, 10**9)))
    kept.check_size(structs.replace(KEPT, items=[], sealed={}))
    with pytest.raises(RequestError) as caught:
        kept.check_size(KEPT.with_items([{**item("msg_1"), "content": "x" * 300}]))
    assert caught.value.code == "conversation_full"
