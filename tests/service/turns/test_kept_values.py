from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec import Struct

from service.ports import StateStore
from service.turns.kept_values import KeepLimits, KeptValues, decoded
from storage.state.store import open_state

LIMITS = KeepLimits(60, 1_000, 2_000)


class Record(Struct, frozen=True):
    name: str


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[StateStore]:
    store = open_state(f"sqlite:{tmp_path}/state.db", lambda _: None)
    yield store
    await store.close()


async def test_kinds_owners_and_ids_are_apart(state: StateStore) -> None:
    values = KeptValues(state, LIMITS)
    assert await values.keep("a", "me", "1", b"value")
    assert await values.find("a", "me", "1") == b"value"
    for kind, owner, value_id in (("b", "me", "1"), ("a", "you", "1"), ("a", "me", "2")):
        assert await values.find(kind, owner, value_id) is None


async def test_a_value_lives_as_long_as_it_says_itself(state: StateStore) -> None:
    values = KeptValues(state, LIMITS)
    await values.keep("a", "me", "1", b"value", -1)
    assert await values.find("a", "me", "1") is None


async def test_all_kinds_of_an_owner_share_one_limit(state: StateStore) -> None:
    values = KeptValues(state, LIMITS)
    for kind in "abc":
        assert await values.keep(kind, "me", "1", b"x" * 400)
    found = [kind for kind in "abc" if await values.find(kind, "me", "1")]
    assert found == ["b", "c"]


def test_the_smallest_limit_decides_what_fits(state: StateStore) -> None:
    assert KeptValues(state, LIMITS).fits(b"x" * 1_000)
    assert not KeptValues(state, LIMITS).fits(b"x" * 1_001)
    assert not KeptValues(state, KeepLimits(60, 10**9, 10**9)).fits(bytes(5 * 1024 * 1024))


@pytest.mark.parametrize("value_id", ["", "\ud83d", "a b", "x" * 129, "1\n", "é", "a:b", "../x"])
async def test_what_cannot_be_an_id_finds_nothing(state: StateStore, value_id: str) -> None:
    values = KeptValues(state, LIMITS)
    assert await values.find("a", "me", value_id) is None
    assert not await values.delete("a", "me", value_id)


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b'{"name": 1}', b"\xff"])
def test_what_is_no_record_is_none(value: bytes) -> None:
    assert decoded(value, Record) is None


def test_a_record_with_half_an_emoji_is_read() -> None:
    assert decoded(b'{"name": "\\ud83d"}', Record) == Record("\ud83d")
