"""Which uploads are evicted when the store is full."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.vocabulary.errors import StorageFullError
from storage.files.eviction import Newcomer, SharedSpace, evicted, owner_of
from storage.files.retention import KeptFile
from tests.chance import examples
from tests.growth import MOST, growth
from tests.rows import each_row

NOW = 10_000.0


def files(**sizes: Sequence[int]) -> list[KeptFile]:
    """Return files of some owners, each owner's oldest first, all over a minute old."""
    return [
        KeptFile(f"{owner}/file-{index}", index * 10.0, size)
        for owner, own in sizes.items()
        for index, size in enumerate(own)
    ]


def names(gone: Sequence[KeptFile]) -> list[str]:
    return [file.key for file in gone]


def test_nothing_goes_while_there_is_room() -> None:
    found = files(a=[5, 5], b=[5])
    assert evicted(found, 20, NOW, Newcomer("b", 5)) == []
    assert evicted(found, 15, NOW) == []
    assert evicted(found, 0, NOW) == [], "0 is no limit"


def test_the_oldest_of_whoever_holds_most_go_not_the_oldest_of_all() -> None:
    found = files(honest=[10], liar=[0, 30, 30, 30])
    assert names(evicted(found, 110, NOW, Newcomer("honest", 20)))[1:] == ["liar/file-1"]
    assert names(evicted(found, 110, NOW, Newcomer("third", 50)))[1:] == [
        *("liar/file-1", "liar/file-2"),
    ]
    assert names(evicted(found, 80, NOW))[1:] == ["liar/file-1"]


def test_who_would_hold_the_most_is_refused_and_removes_nothing() -> None:
    found = files(a=[40], b=[40])
    for newcomer in (Newcomer("a", 30), Newcomer("c", 41), Newcomer("c", 70)):
        with pytest.raises(StorageFullError) as caught:
            evicted(found, 100, NOW, newcomer)
        assert caught.value.status == 507
    assert names(evicted(found, 100, NOW, Newcomer("c", 30))) in (
        ["a/file-0"],
        ["b/file-0"],
    )


def test_what_has_expired_goes_first() -> None:
    found = [*files(a=[50], b=[10]), KeptFile("c/file-0", 0.0, 40, expires_at=NOW - 1)]
    assert names(evicted(found, 100, NOW, Newcomer("d", 40))) == ["c/file-0"]


def test_a_sweep_leaves_young_files_but_a_newcomer_does_not() -> None:
    found = [KeptFile("a/file-0", NOW - 5, 90), *files(b=[20])]
    assert names(evicted(found, 50, NOW)) == ["b/file-0"]
    assert names(evicted(found, 120, NOW, Newcomer("c", 30))) == ["a/file-0"]


OWNERS = st.sampled_from("abcd")


@examples(100)
@given(
    st.lists(st.tuples(OWNERS, st.integers(0, 50)), max_size=30),
    st.integers(1, 400),
    OWNERS,
    st.integers(0, 200),
)
def test_nobody_loses_to_one_who_then_holds_more(
    kept: list[tuple[str, int]], max_bytes: int, owner: str, size: int
) -> None:
    found = [
        KeptFile(f"{name}/file-{index}", float(index), bytes_)
        for index, (name, bytes_) in enumerate(kept)
    ]
    held = Counter[str]()
    for file in found:
        held[owner_of(file)] += file.size_bytes
    try:
        gone = evicted(found, max_bytes, NOW, Newcomer(owner, size))
    except StorageFullError:
        own = held.pop(owner, 0) + size
        assert own + sum(min(bytes_, own) for bytes_ in held.values()) > max_bytes - 50
        return
    left = Counter(held)
    for file in gone:
        assert owner_of(file) != owner
        assert left[owner_of(file)] >= held[owner] + size, "the newcomer will hold more"
        left[owner_of(file)] -= file.size_bytes
    assert left.total() + size <= max_bytes or not gone


@each_row("owners", [1, 1000])
def test_the_time_grows_with_the_files(owners: int) -> None:
    def work(size: int) -> None:
        found = [
            KeptFile(f"{index % owners}/file-{index}", float(index), 10) for index in range(size)
        ]
        evicted(found, 10, NOW)

    assert growth(work, 5_000) < MOST


class Store:
    """A store in memory that counts its look-ups."""

    def __init__(self) -> None:
        self.files: list[KeptFile] = []
        self.looks = 0
        self.clock = 0.0
        self.space = SharedSpace(self.total, self.all, self.forget, 10, lambda: self.clock)

    async def total(self) -> int:
        self.looks += 1
        return sum(file.size_bytes for file in self.files)

    async def all(self) -> list[KeptFile]:
        await asyncio.sleep(0)
        return list(self.files)

    async def forget(self, gone: Sequence[KeptFile]) -> None:
        self.files = [file for file in self.files if file not in gone]

    async def leave(self, owner: str, size: int, max_bytes: int = 100, coming: int = 0) -> None:
        await self.space.make_room(owner, size, coming + size, max_bytes)
        self.files.append(KeptFile(f"{owner}/file-{len(self.files)}-{self.clock}", 0.0, size))
        self.space.added(size)


async def test_the_store_never_holds_more_than_its_limit_between_looks() -> None:
    store = Store()
    for number in range(50):
        await store.leave(f"owner {number % 25}", 9 if number < 25 else 1)
        assert await store.total() <= 100
    assert store.looks == 50 + 1, "once in ten seconds, and the test's own"
    store.clock = 20
    await store.leave("another", 1)
    assert store.looks == 50 + 2


async def test_what_is_being_received_counts_too() -> None:
    store = Store()
    await store.leave("a", 60)
    with pytest.raises(StorageFullError):
        await store.leave("b", 30, coming=80)
    await store.leave("b", 30)
