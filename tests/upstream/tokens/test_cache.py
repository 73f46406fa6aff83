"""Tokens that are remembered: sealed, shared, and the newer of two."""

import json
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest

from service.ports import Journal, StateStore
from service.vocabulary.errors import StorageError
from service.vocabulary.gateway_keys import Issuer, StoredAccount
from storage.secrets.account_file import AccountFile
from storage.secrets.cipher import Cipher
from storage.secrets.key_file import KeyFile
from storage.state.journal import FileJournal
from storage.state.store import open_state
from tests.rows import each_row
from upstream.tokens import cache as token_cache
from upstream.tokens.cache import (
    SEALED_PREFIX,
    Exchanged,
    Known,
    Refused,
    Rotated,
    TokenCache,
    TokenStores,
)
from upstream.tokens.service import Grant

KEY = "0123456789abcdef"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[StateStore]:
    state = open_state(f"sqlite:{tmp_path}/state.db", [].append)
    yield state
    await state.close()


@pytest.fixture
def journal(tmp_path: Path) -> FileJournal:
    return FileJournal(tmp_path / "tokens")


@pytest.fixture
def cache(state: StateStore, journal: FileJournal, clock: Clock) -> TokenCache:
    return TokenCache(TokenStores(state, journal, Cipher(b"secret")), clock)


@pytest.fixture
def other(state: StateStore, journal: FileJournal, clock: Clock) -> TokenCache:
    return TokenCache(TokenStores(state, journal, Cipher(b"secret")), clock)


def stored_bytes(folder: Path) -> bytes:
    return b"".join(part.read_bytes() for part in folder.glob("state.db*"))


def grant(number: int, clock: Clock, rotated: str | None = None) -> Grant:
    return Grant(f"access-{number}", clock.now + 1000, rotated)


async def test_what_one_process_keeps_another_reads(
    cache: TokenCache, other: TokenCache, clock: Clock
) -> None:
    assert await other.read(KEY) == Known()
    await cache.keep(KEY, grant(1, clock, "rotated-1"))
    assert other.known(KEY) == Known()
    known = await other.read(KEY)
    assert known.exchanged == Exchanged("access-1", clock.now, clock.now + 1000)
    assert known.rotated == Rotated("rotated-1", clock.now, 1)
    assert other.known(KEY) == known


async def test_the_newer_of_two_counts(cache: TokenCache, other: TokenCache, clock: Clock) -> None:
    await cache.keep(KEY, grant(1, clock, "rotated-1"))
    clock.now += 10
    await other.keep(KEY, grant(2, clock, "rotated-2"))
    known = await cache.read(KEY)
    assert known.exchanged is not None
    assert known.exchanged.access_token == "access-2"
    assert known.rotated == Rotated("rotated-2", clock.now, 1)


async def test_an_answer_without_a_rotated_token_leaves_the_last_one(
    cache: TokenCache, other: TokenCache, clock: Clock
) -> None:
    await cache.keep(KEY, grant(1, clock, "rotated-1"))
    await cache.keep(KEY, grant(2, clock))
    for each in (cache, other):
        known = await each.read(KEY)
        assert known.rotated is not None
        assert known.rotated.refresh_token == "rotated-1"


async def test_a_refusal_is_shared_and_ends_with_a_success(
    cache: TokenCache, other: TokenCache, clock: Clock
) -> None:
    await cache.refuse(KEY, "dead")
    assert (await other.read(KEY)).refused == Refused("dead", clock.now + 60, clock.now)
    await other.keep(KEY, grant(1, clock))
    assert (await other.read(KEY)).refused is None
    assert await other._state.get(f"token:refused:{KEY}") is None


async def test_a_forgotten_access_token_leaves_the_rotated_one(
    cache: TokenCache, other: TokenCache, clock: Clock
) -> None:
    await cache.keep(KEY, grant(1, clock, "rotated-1"))
    await cache.forget_access(KEY)
    for each in (cache, other):
        known = await each.read(KEY)
        assert known.exchanged is None
        assert known.rotated == Rotated("rotated-1", clock.now, 1)


async def test_what_cannot_be_read_is_not_there(
    cache: TokenCache, state: StateStore, journal: FileJournal, clock: Clock
) -> None:
    await cache.keep(KEY, grant(1, clock))
    foreign = TokenCache(TokenStores(state, journal, Cipher(b"another secret")), clock)
    assert await foreign.read(KEY) == Known()
    old = Cipher(b"secret").encrypt(b'{"token": "of another version"}')
    await state.set(f"token:access:{KEY}", old)
    fresh = TokenCache(TokenStores(state, journal, Cipher(b"secret")), clock)
    assert await fresh.read(KEY) == Known()


class Fickle:
    """A state store that works only while the test says so, and counts its writes."""

    def __init__(self, state: StateStore) -> None:
        self.state = state
        self.takes = self.answers = True
        self.written: list[str] = []

    async def get(self, key: str) -> bytes | None:
        return await self.state.get(key) if self.answers else None

    async def fetch(self, key: str) -> bytes | None:
        if not self.answers:
            raise StorageError("It is away.")
        return await self.state.get(key)

    async def set(self, key: str, value: bytes, ttl_seconds: float | None = None) -> bool:
        self.written.append(key)
        return self.takes and await self.state.set(key, value, ttl_seconds)

    async def delete(self, key: str) -> None:
        await self.state.delete(key)


class KilledError(Exception):
    """Raised where the process is killed."""


class NoJournal:
    """A journal on a full disk."""

    async def put(self, _key: str, _value: bytes) -> bool:
        return False

    async def get(self, _key: str) -> bytes | None:
        return None

    async def remove(self, _key: str) -> None:
        return None

    async def keys(self) -> list[str]:
        return []


@pytest.fixture
def fickle(state: StateStore) -> Fickle:
    return Fickle(state)


Make = Callable[..., TokenCache]


@pytest.fixture
def make(fickle: Fickle, journal: FileJournal, clock: Clock) -> Make:
    """Return the cache of another process."""

    def another(journal: Journal = journal) -> TokenCache:
        return TokenCache(TokenStores(fickle, journal, Cipher(b"secret")), clock)  # type: ignore[arg-type]

    return another


async def test_what_the_store_did_not_take_is_seen_by_the_processes_of_this_machine(
    make: Make, fickle: Fickle, journal: FileJournal, clock: Clock
) -> None:
    one, other = make(), make()
    fickle.takes = False
    await one.keep(KEY, grant(1, clock, "rotated-1"))
    assert (one.unsaved, one.is_only_here(KEY)) == ([KEY], False)
    known = await other.read_surely(KEY)
    assert known.rotated == Rotated("rotated-1", clock.now, 1)
    assert known.exchanged is not None
    assert not other.is_only_here(KEY)
    assert not await one.save(KEY)
    fickle.takes = True
    assert await one.save(KEY)
    assert (one.unsaved, await journal.keys()) == ([], [])
    assert await fickle.get(f"token:rotated:{KEY}") is not None


async def test_a_rotated_token_is_in_the_journal_before_the_store_is_asked(
    make: Make, fickle: Fickle, journal: FileJournal, clock: Clock
) -> None:
    """The next process finds what a killed one has left."""
    seen: list[list[str]] = []
    store = fickle.set

    async def killed(*_: object) -> bool:
        seen.append(await journal.keys())
        raise KilledError

    fickle.set = killed  # type: ignore[method-assign]
    with pytest.raises(KilledError):
        await make().keep(KEY, grant(1, clock, "rotated-1"))
    fickle.set = store  # type: ignore[method-assign]
    assert seen == [[KEY]]
    later = make()
    assert await later.left_behind() == [KEY]
    assert await later.save(KEY)
    assert await later.left_behind() == []
    await journal.remove(KEY)
    assert (await make().read(KEY)).rotated == Rotated("rotated-1", clock.now, 1)


async def test_what_neither_takes_is_told_and_never_forgotten(
    make: Make, fickle: Fickle, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_cache, "MAX_REMEMBERED", 2)
    cache = make(NoJournal())
    fickle.takes = False
    await cache.keep(KEY, grant(1, clock, "rotated-1"))
    assert cache.is_only_here(KEY)
    for number in range(5):
        await cache.keep(f"{number:08}", grant(number, clock))
    assert cache.known(KEY).rotated == Rotated("rotated-1", clock.now, 1)
    fickle.takes = True
    assert await cache.save(KEY)
    assert not cache.is_only_here(KEY)


async def test_an_old_token_is_never_put_over_a_newer(
    make: Make, fickle: Fickle, clock: Clock
) -> None:
    """One process waits for the store with its token while another one rotates it further."""
    one, other = make(), make()
    fickle.takes = False
    await one.keep(KEY, grant(1, clock, "rotated-1"))
    fickle.takes = True
    clock.now -= 86_400  # and the clock is set back
    await other.read_surely(KEY)
    await other.keep(KEY, grant(2, clock, "rotated-2"))
    assert await one.save(KEY)
    for cache in (one, other, make()):
        assert (await cache.read_surely(KEY)).rotated == Rotated("rotated-2", clock.now, 2)


async def test_without_an_answer_of_the_store_nothing_is_known_for_sure(
    make: Make, fickle: Fickle, clock: Clock
) -> None:
    await make().keep(KEY, grant(1, clock, "rotated-1"))
    fickle.answers = False
    cache = make()
    assert await cache.read(KEY) == Known()
    with pytest.raises(StorageError):
        await cache.read_surely(KEY)
    before = len(fickle.written)
    with pytest.raises(StorageError):
        await cache.save(KEY)
    assert len(fickle.written) == before


async def test_what_the_store_has_lost_is_stored_again(
    make: Make, fickle: Fickle, clock: Clock
) -> None:
    cache = make()
    await cache.keep(KEY, grant(1, clock, "rotated-1"))
    await fickle.delete(f"token:rotated:{KEY}")
    await cache.read_surely(KEY)
    assert cache.unsaved == [KEY]
    assert await cache.save(KEY)
    assert (await make().read(KEY)).rotated == Rotated("rotated-1", clock.now, 1)


async def test_tokens_of_earlier_versions_are_told_apart_by_their_moments(
    make: Make, state: StateStore, clock: Clock
) -> None:
    """They have no serial, nor have those of an earlier version that runs beside this one."""
    cipher = Cipher(b"secret")
    old = {"refresh_token": "rotated-0", "issued_at": clock.now}
    await state.set(f"token:rotated:{KEY}", cipher.encrypt(json.dumps(old).encode()))
    cache = make()
    assert (await cache.read_surely(KEY)).rotated == Rotated("rotated-0", clock.now)
    clock.now += 10
    await cache.keep(KEY, grant(1, clock, "rotated-1"))
    beside = {"refresh_token": "rotated-x", "issued_at": clock.now + 10}
    await state.set(f"token:rotated:{KEY}", cipher.encrypt(json.dumps(beside).encode()))
    assert (await cache.read_surely(KEY)).rotated == Rotated("rotated-x", clock.now + 10)


@pytest.mark.parametrize("seconds", [60.0, 3600.0])
async def test_a_refusal_stands_for_its_time_and_not_longer_when_the_clock_is_set(
    cache: TokenCache, clock: Clock, seconds: float
) -> None:
    await cache.refuse(KEY, "dead", seconds)
    refused = cache.known(KEY).refused
    assert refused is not None
    assert refused.stands(clock.now)
    assert refused.stands(clock.now + seconds - 1)
    assert not refused.stands(clock.now + seconds)
    assert not refused.stands(clock.now - 86_400)


async def test_memory_is_bounded(
    cache: TokenCache, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_cache, "MAX_REMEMBERED", 3)
    for number in range(5):
        await cache.keep(f"{number:08}", grant(number, clock))
    assert list(cache._memory) == ["00000002", "00000003", "00000004"]
    for number in range(5, 9):
        await cache.read(f"{number:08}")  # of which nothing is known
    assert list(cache._memory) == ["00000002", "00000003", "00000004"]
    assert (await cache.read("00000000")).exchanged is not None


@each_row(
    ("life", "margin", "last"),
    [
        (10_000, 3600, 6400),
        (7200, 3600, 3600),
        (7100, 3600, 5325),
        (60, 3600, 45),
        (60, 0, 60),
    ],
)
def test_the_margin_shrinks_with_a_short_life(life: float, margin: float, last: float) -> None:
    exchanged = Exchanged("a", 0, life)
    assert exchanged.is_fresh(last - 1, margin)
    assert not exchanged.is_fresh(last, margin)


@each_row("life", [10, 3600, 7200, 864_000])
def test_a_token_just_issued_is_fresh_for_any_lead(life: float) -> None:
    assert Exchanged("a", 0, life).is_fresh(0, 3600, lead=86400)


def test_a_token_that_came_expired_is_never_fresh() -> None:
    assert not Exchanged("a", 0, -5).is_fresh(0, 3600)


async def test_nothing_shows_or_logs_a_token(
    cache: TokenCache, clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    kept = await cache.keep(KEY, Grant("canary-access", clock.now + 1000, "canary-refresh"))
    known = await cache.read(KEY)
    assert "canary" not in repr(kept) + repr(known) + caplog.text
    stored = stored_bytes(tmp_path)
    assert b"token:access:" in stored
    assert b"canary" not in stored


# --- tokens of stored accounts, which are in the file of keys as well ---------------------

ACCOUNT = StoredAccount("mine", "a@b.org", "plus", "id", "user", Issuer.DEMO, "rt-of-a-login", 1)


@pytest.fixture
def accounts(tmp_path: Path) -> AccountFile:
    file = KeyFile(tmp_path / "keys.json", Cipher(b"secret")).accounts
    file.keep(ACCOUNT, msgspec.json.encode(Known(exchanged=Exchanged("of the login", 0, 2e9))))
    return file


@pytest.fixture
def of_accounts(
    state: StateStore, journal: FileJournal, accounts: AccountFile, clock: Clock
) -> Callable[[], TokenCache]:
    """Makes the cache of another process."""
    stores = TokenStores(state, journal, Cipher(b"secret"), accounts)
    return lambda: TokenCache(stores, clock)


async def test_the_access_token_of_a_login_needs_no_exchange(
    of_accounts: Callable[[], TokenCache],
) -> None:
    cache = of_accounts()
    assert await cache.left_behind() == [ACCOUNT.token_key]
    known = await cache.read(ACCOUNT.token_key)
    assert known.exchanged is not None
    assert known.exchanged.access_token == "of the login"


async def test_what_the_store_has_lost_comes_back_from_the_file(
    of_accounts: Callable[[], TokenCache], state: StateStore
) -> None:
    key = ACCOUNT.token_key
    await of_accounts().keep(key, Grant("access", 2e9, "second"))
    await state.delete(f"{SEALED_PREFIX}rotated:{key}")
    assert await of_accounts().save(key)
    assert await state.get(f"{SEALED_PREFIX}rotated:{key}")


async def test_what_the_file_has_not_taken_is_brought_there_later(
    of_accounts: Callable[[], TokenCache], accounts: AccountFile, tmp_path: Path
) -> None:
    key, cache, lock = ACCOUNT.token_key, of_accounts(), tmp_path / ".keys.json.lock"
    lock.unlink()
    lock.mkdir()
    await cache.keep(key, Grant("access", 2e9, "second"))
    assert (cache.unsaved, cache.unfiled) == ([], [key])
    lock.rmdir()
    await cache.save(key)
    assert cache.unfiled == []
    assert b'"second"' in (await accounts.get(key) or b"")
    # A copy of the file that is older than the store does not win.
    await accounts.put(key, b"{}")
    known = await of_accounts().read_surely(key)
    assert known.rotated is not None
    assert known.rotated.refresh_token == "second"
