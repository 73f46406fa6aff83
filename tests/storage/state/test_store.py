"""Tests for both stores; tests for one of them are in its own file."""

import asyncio
import logging
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from service.ports import LINE_SECONDS, Bounds, Lease, StateStore
from service.vocabulary.errors import LockTimeoutError, StorageError
from storage.state.store import open_state
from tests.redis_server import RedisServer, running_redis
from tests.rows import each_row

LEASING = ["acquire", "renew", "release"]
KINDS = ["sqlite", pytest.param("redis", marks=pytest.mark.needs_redis)]


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:{tmp_path}/new/state.db"
    server: RedisServer = request.getfixturevalue("redis_server")
    server.command("FLUSHALL")
    return server.url


@pytest.fixture
def failures() -> list[str]:
    return []


@pytest.fixture
async def opened(url: str, failures: list[str]) -> AsyncIterator[Callable[[], StateStore]]:
    stores: list[StateStore] = []

    def another() -> StateStore:
        stores.append(open_state(url, failures.append))
        return stores[-1]

    yield another
    for store in stores:
        await store.close()


@pytest.fixture
def store(opened: Callable[[], StateStore]) -> StateStore:
    return opened()


async def test_what_was_set_is_got_by_every_store(
    store: StateStore, opened: Callable[[], StateStore]
) -> None:
    value = bytes(range(256))
    await store.set("key", value)
    assert await store.get("key") == value
    assert await opened().get("key") == value
    assert await store.get("other") is None


async def test_a_value_replaces_another_and_its_expiry(store: StateStore) -> None:
    await store.set("key", b"1", ttl_seconds=0.05)
    await store.set("key", b"2")
    await asyncio.sleep(0.1)
    assert await store.get("key") == b"2"


async def test_a_value_is_gone_after_its_expiry_and_not_before(store: StateStore) -> None:
    await store.set("short", b"1", ttl_seconds=0.05)
    await store.set("long", b"2", ttl_seconds=60)
    await asyncio.sleep(0.1)
    assert await store.get("short") is None
    assert await store.get("long") == b"2"


@pytest.mark.parametrize("ttl_seconds", [0, -1])
async def test_a_value_that_has_expired_already_is_not_kept(
    store: StateStore, ttl_seconds: float
) -> None:
    await store.set("key", b"1", ttl_seconds)
    await asyncio.sleep(0.01)
    assert await store.get("key") is None


async def test_a_deleted_value_is_gone_and_may_be_deleted_again(store: StateStore) -> None:
    await store.set("key", b"1")
    await store.delete("key")
    await store.delete("key")
    assert await store.get("key") is None


async def test_add_stores_once_until_it_expires(store: StateStore) -> None:
    assert await store.add("short", b"1", ttl_seconds=0.05)
    assert await store.add("long", b"1", ttl_seconds=60)
    await asyncio.sleep(0.1)
    for key, is_new, value in (("short", True, b"2"), ("long", False, b"1")):
        assert await store.add(key, b"2") is is_new
        assert not await store.add(key, b"3")
        assert await store.get(key) == value


async def test_of_many_adds_at_once_one_wins(opened: Callable[[], StateStore]) -> None:
    stores = [opened() for _ in range(4)]
    won = await asyncio.gather(*(stores[n % 4].add("key", b"%d" % n) for n in range(40)))
    assert sum(won) == 1


@pytest.mark.whole
async def test_values_under_a_prefix_are_rewritten_until_the_same_end(store: StateStore) -> None:
    for number in range(249, -1, -1):
        await store.set(f"a:{number}", b"%d" % number, ttl_seconds=30 if number else 3.0)
    await store.set("a:forever", b"7")
    await store.set("b:1", b"1")
    await store.set("a", b"1")

    def change(value: bytes) -> bytes | None:
        return b"changed" if int(value) % 2 == 0 else None

    assert await store.rewrite("a:", change) == 125
    assert [await store.get(f"a:{number}") for number in (0, 1, 248)] == [
        b"changed",
        b"1",
        b"changed",
    ]
    assert [await store.get(key) for key in ("a:forever", "b:1", "a")] == [b"7", b"1", b"1"]
    await asyncio.sleep(3.0)
    assert await store.get("a:0") is None
    assert await store.rewrite("nothing:", change) == 0


async def test_a_value_that_changes_meanwhile_is_not_rewritten(
    opened: Callable[[], StateStore], url: str
) -> None:
    store = opened()
    await store.set("a:1", b"old")

    def change(value: bytes) -> bytes:
        assert value == b"old"
        other = threading.Thread(target=asyncio.run, args=(set_elsewhere(url),))
        other.start()
        other.join()
        return b"rewritten"

    assert await store.rewrite("a:", change) == 0
    assert await store.get("a:1") == b"new"


async def set_elsewhere(url: str) -> None:
    store = open_state(url, print)
    await store.set("a:1", b"new")
    await store.close()


async def test_a_lock_lets_one_in_at_a_time_within_and_across_stores(
    opened: Callable[[], StateStore],
) -> None:
    inside, most = 0, 0

    async def enter(store: StateStore) -> None:
        nonlocal inside, most
        async with store.lock("key", 10, 10):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.002)
            inside -= 1

    stores = [opened() for _ in range(3)]
    await asyncio.gather(*(enter(stores[n % 3]) for n in range(15)))
    assert most == 1


async def test_two_names_are_two_locks_and_no_lock_is_a_value(store: StateStore) -> None:
    async with asyncio.timeout(9), store.lock("one", 10, 10), store.lock("two", 10, 10):
        assert await store.get("one") is None
        assert await store.add("one", b"")


async def test_the_error_of_the_holder_goes_through_and_frees_the_lock(
    opened: Callable[[], StateStore],
) -> None:
    with pytest.raises(LookupError, match="mine"):
        async with opened().lock("key", 10, 10):
            raise LookupError("mine")
    async with asyncio.timeout(9), opened().lock("key", 10, 10):
        pass


@pytest.mark.whole
async def test_a_lock_is_prolonged_while_it_is_held(opened: Callable[[], StateStore]) -> None:
    one, two = opened(), opened()
    async with one.lock("key", 0.15, 10):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5), two.lock("key", 0.15, 10):
                pytest.fail("two holders")
    async with asyncio.timeout(9), two.lock("key", 0.15, 10):
        pass


async def test_a_waiter_that_was_cancelled_leaves_no_lock_behind(
    opened: Callable[[], StateStore],
) -> None:
    one, two = opened(), opened()
    async with one.lock("key", 10, 10):
        for store in (one, two, two):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05), store.lock("key", 10, 10):
                    pytest.fail("two holders")
    for store in (one, two):
        async with asyncio.timeout(9), store.lock("key", 10, 10):
            pass


async def test_only_the_owner_frees_a_lock(opened: Callable[[], StateStore]) -> None:
    one, two = opened(), opened()
    async with one.lock("key", 10, 10):
        await two._backend.lock("key", 10).release()
        with pytest.raises(LockTimeoutError):
            async with two.lock("key", 10, 0.1):
                pytest.fail("two holders")


async def test_no_wait_for_a_lock_is_without_an_end(
    opened: Callable[[], StateStore], failures: list[str]
) -> None:
    one, two = opened(), opened()
    async with one.lock("key", 10, 10):
        for store in (one, two):
            with pytest.raises(LockTimeoutError):
                async with store.lock("key", 10, 0.05):
                    pytest.fail("two holders")
    assert failures == []


async def test_an_open_store_is_alive(store: StateStore, failures: list[str]) -> None:
    assert await store.is_alive()
    assert failures == []


# --- leases --------------------------------------------------------------------


def leases(*names: str, key: str = "key") -> list[Lease]:
    return [Lease(key, name) for name in names]


async def test_there_are_as_many_leases_as_the_limit_says(
    opened: Callable[[], StateStore],
) -> None:
    one, two = opened(), opened()
    a, b, c, d = leases("a", "b", "c", "d")
    assert await one.acquire(a, 3, 10)
    assert await two.acquire(b, 3, 10)
    assert await one.acquire(c, 3, 10)
    assert not await two.acquire(d, 3, 10)
    await one.release([a])
    assert await two.acquire(d, 3, 10)


async def test_who_has_a_lease_has_it_when_it_asks_again(store: StateStore) -> None:
    a, b = leases("a", "b")
    assert await store.acquire(a, 1, 10)
    assert not await store.acquire(b, 1, 10, waited_seconds=5)
    assert await store.acquire(a, 1, 10)


async def test_leases_of_two_keys_have_nothing_to_do_with_each_other(store: StateStore) -> None:
    assert await store.acquire(Lease("one", "a"), 1, 10)
    assert await store.acquire(Lease("two", "a"), 1, 10)
    assert not await store.acquire(Lease("one", "b"), 1, 10)
    assert await store.get("one") is None


async def test_of_many_who_ask_at_once_as_many_as_the_limit_get_one(
    opened: Callable[[], StateStore],
) -> None:
    stores = [opened() for _ in range(4)]
    asked = leases(*(f"{number}" for number in range(40)))
    got = await asyncio.gather(
        *(stores[number % 4].acquire(lease, 7, 10) for number, lease in enumerate(asked))
    )
    assert sum(got) == 7


async def test_nobody_gets_a_lease_before_one_who_waits_for_longer(
    opened: Callable[[], StateStore],
) -> None:
    one, two = opened(), opened()
    a, b, c, d = leases("a", "b", "c", "d")
    assert await one.acquire(a, 1, 10)
    assert not await one.acquire(b, 1, 10)
    assert not await two.acquire(c, 1, 10, waited_seconds=3)
    await one.release([a])
    assert not await two.acquire(d, 1, 10)
    assert not await one.acquire(b, 1, 10)
    assert await two.acquire(c, 1, 10)
    await two.release([c])
    assert not await two.acquire(d, 1, 10)
    assert await one.acquire(b, 1, 10)


async def test_who_left_the_line_stands_in_nobodys_way(store: StateStore) -> None:
    a, b, c = leases("a", "b", "c")
    assert await store.acquire(a, 1, 10)
    assert not await store.acquire(b, 1, 10)
    await store.release([a, b])
    assert await store.acquire(c, 1, 10)


@pytest.mark.whole
async def test_who_asks_no_more_stands_in_the_way_for_a_short_while(store: StateStore) -> None:
    a, b, c = leases("a", "b", "c")
    assert await store.acquire(a, 1, 10)
    assert not await store.acquire(b, 1, 10)
    await store.release([a])
    assert not await store.acquire(c, 1, 10)
    await asyncio.sleep(LINE_SECONDS + 0.1)
    assert await store.acquire(c, 1, 10)


async def test_a_lease_that_is_not_renewed_is_free_after_its_time(store: StateStore) -> None:
    a, b, c, d = leases("a", "b", "c", "d")
    assert await store.acquire(a, 2, 0.2)
    assert await store.acquire(b, 2, 10)
    await asyncio.sleep(0.25)
    assert await store.acquire(c, 2, 10)
    assert not await store.acquire(d, 2, 10)


@pytest.mark.whole
async def test_renewed_leases_are_held_on(store: StateStore) -> None:
    a, b, c = leases("a", "b", "c")
    assert await store.acquire(a, 2, 1.0)
    assert await store.acquire(b, 2, 1.0)
    await store.renew([a, b], 10)
    await asyncio.sleep(1.1)
    assert not await store.acquire(c, 2, 10)


async def test_leases_that_the_store_has_lost_are_known_again_when_they_are_renewed(
    opened: Callable[[], StateStore],
) -> None:
    one, two = opened(), opened()
    await one.renew([*leases("a", "b"), Lease("other", "a")], 10)
    (c,) = leases("c")
    assert not await two.acquire(c, 2, 10)
    assert not await two.acquire(Lease("other", "c"), 1, 10)
    await one.release([*leases("a"), Lease("other", "a")])
    assert await two.acquire(c, 2, 10)


async def test_a_thousand_leases_are_renewed_and_released_at_once(store: StateStore) -> None:
    many = [Lease(f"key-{number % 7}", f"{number}") for number in range(1000)]
    await store.renew(many, 10)
    assert not await store.acquire(Lease("key-3", "new"), 100, 10)
    await store.release(many)
    assert await store.acquire(Lease("key-3", "other"), 2, 10)


async def test_nothing_renewed_or_released_is_nothing_done(
    store: StateStore, failures: list[str]
) -> None:
    await store.renew([], 10)
    await store.release([])
    await store.release(leases("nobody"))
    assert failures == []


CONTENDER = """
import asyncio, sys
from pathlib import Path
from storage.state.store import open_state

async def contend(url, name, log):
    store = open_state(url, lambda kind: sys.exit(f"failed: {kind}"))
    for number in range(25):
        if await store.add(f"prize-{number}", name.encode()):
            with log.open("a") as file:
                file.write(f"won {number}\\n")
        async with store.lock("shared", 10, 10):
            count = int(await store.get("count") or b"0")
            await asyncio.sleep(0.001)
            await store.set("count", b"%d" % (count + 1))
    await store.close()

asyncio.run(contend(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
"""


@pytest.mark.whole
async def test_processes_share_locks_and_adds(url: str, store: StateStore, tmp_path: Path) -> None:
    log = tmp_path / "won"
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", CONTENDER, url, name, str(log)),
            cwd=Path(__file__).parents[3],
        )
        for name in ("one", "two")
    ]
    assert [await process.wait() for process in processes] == [0, 0]
    assert await store.get("count") == b"50"
    assert sorted(log.read_text().split("\n")[:-1]) == sorted(f"won {n}" for n in range(25))


HOLDER = """
import asyncio, sys
from storage.state.store import open_state

async def hold(url):
    async with open_state(url, print).lock("key", 0.6, 10):
        print("held", flush=True)
        await asyncio.sleep(60)

asyncio.run(hold(sys.argv[1]))
"""


@pytest.mark.whole
async def test_a_lock_whose_holder_was_killed_frees_itself(url: str, store: StateStore) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLDER, url),
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"held\n"
    process.kill()
    await process.communicate()
    async with store.lock("key", 0.6, 10):
        pass


# --- a store that is dead ------------------------------------------------------


@pytest.fixture(params=["sqlite", "redis", "unix"])
async def dead(
    request: pytest.FixtureRequest, tmp_path: Path, failures: list[str]
) -> AsyncIterator[StateStore]:
    (tmp_path / "file").touch()
    urls = {
        "sqlite": f"sqlite:{tmp_path}/file/state.db",
        "redis": "redis://:hunter2@127.0.0.1:1/0",
        "unix": f"unix://{tmp_path}/absent.sock",
    }
    store = open_state(urls[request.param], failures.append)
    yield store
    await store.close()


async def test_a_dead_store_degrades_and_says_so_once(
    dead: StateStore, failures: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert await dead.get("key") is None
    assert not await dead.set("key", b"1")
    await dead.delete("key")
    assert await dead.add("key", b"1")
    with pytest.raises(LockTimeoutError):
        async with dead.lock("key", 10, 0):
            pytest.fail("it may have another holder")
    assert await dead.acquire(Lease("key", "one"), 0, 10)
    await dead.renew([Lease("key", "one")], 10)
    await dead.release([Lease("key", "one")])
    assert not await dead.is_alive()
    given = [kind for kind in failures if kind != "unlock"]  # a lock's file that was never locked
    assert given == ["get", "set", "delete", "add", "lock", *LEASING]
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert "hunter2" not in caplog.text


async def test_what_cannot_be_known_for_sure_is_no_absence(dead: StateStore) -> None:
    with pytest.raises(StorageError):
        await dead.fetch("key")


async def test_what_is_fetched_is_what_is_got(store: StateStore) -> None:
    assert await store.fetch("key") is None
    assert await store.set("key", b"1")
    assert await store.fetch("key") == b"1"


async def test_without_its_store_a_process_that_is_alone_holds_locks_by_itself(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    dead = open_state(f"sqlite:{tmp_path}/file/state.db", [].append, is_alone=True)
    inside: list[int] = []

    async def enter(number: int) -> None:
        async with dead.lock("key", 10, 10):
            inside.append(number)
            await asyncio.sleep(0.001)
            assert inside.pop() == number

    await asyncio.gather(*(enter(number) for number in range(10)))
    assert await dead.fetch("key") is None
    await dead.close()


@each_row("url", ["sqlite:", "mysql://host", "state.db", "redis://h?colour=red"])
def test_a_url_that_names_no_store_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"sqlite:PATH|parameter"):
        open_state(url, print)


# --- what is kept for owners ----------------------------------------------------------


async def keep(
    store: StateStore, owner: str, name: str, size: int = 10, seconds: float = 60
) -> None:
    bounds = Bounds(owner, max_owner_bytes=50, max_bytes=100)
    assert await store.keep(f"response:{owner}:{name}", b"x" * size, seconds, bounds)


async def kept(store: StateStore, owners: str = "abcdef", names: str = "0123456789xyz") -> set[str]:
    return {
        f"{owner}{name}"
        for owner in owners
        for name in names
        if await store.get(f"response:{owner}:{name}") is not None
    }


async def test_the_oldest_of_an_owner_go_when_it_has_too_much(
    store: StateStore, opened: Callable[[], StateStore]
) -> None:
    await keep(store, "b", "x")
    for name in "01234567":
        await keep(opened(), "a", name)
    assert await kept(store) == {"a3", "a4", "a5", "a6", "a7", "bx"}
    await keep(store, "a", "x", size=25)
    assert await kept(store) == {"a6", "a7", "ax", "bx"}


async def test_the_oldest_of_all_go_when_there_is_too_much(store: StateStore) -> None:
    for owner in "abcdef":
        await keep(store, owner, "0", 20)
        await keep(store, owner, "1", 5)
    assert await kept(store) == {f"{owner}{name}" for owner in "cdef" for name in "01"}


async def test_what_is_kept_anew_counts_once_and_is_the_newest(store: StateStore) -> None:
    for _ in range(20):
        await keep(store, "a", "0", 25)
    await keep(store, "a", "1", 25)
    await keep(store, "a", "0", 25)
    assert await kept(store) == {"a0", "a1"}
    await keep(store, "a", "2", 10)
    assert await kept(store) == {"a0", "a2"}


async def test_what_is_forgotten_or_ends_makes_room(store: StateStore) -> None:
    await keep(store, "b", "0", 40, seconds=0.05)
    for name in "01234":
        await keep(store, "a", name)
    await store.forget("response:a:1")
    await store.forget("response:a:never-was")
    await keep(store, "a", "5")
    await asyncio.sleep(0.1)
    assert await kept(store) == {"a0", "a2", "a3", "a4", "a5"}
    await keep(store, "c", "0", 40)
    await keep(store, "b", "1", 10)
    assert await kept(store) == {"a0", "a2", "a3", "a4", "a5", "c0", "b1"}


async def test_keeping_many_small_values_takes_no_longer_each(store: StateStore) -> None:
    bounds = Bounds("a", 2_000, 1_000_000)
    for number in range(300):
        await store.keep(f"response:a:{number}", b"x" * 10, 60, bounds)
    await store.keep("response:a:large", b"x" * 2_000, 60, bounds)
    assert await store.get("response:a:299") is None
    assert await store.get("response:a:large")


async def test_a_dead_store_keeps_nothing_and_says_so(tmp_path: Path, failures: list[str]) -> None:
    (tmp_path / "state.db").mkdir()
    dead = open_state(f"sqlite:{tmp_path}/state.db", failures.append)
    assert not await dead.keep("response:a:0", b"x", 60, Bounds("a", 50, 100))
    await dead.forget("response:a:0")
    assert failures == ["set", "delete"]
    await dead.close()
