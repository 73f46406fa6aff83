"""What is remembered about tokens: sealed, shared, and the newer of two."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.ports import StateStore
from storage.secrets.cipher import Cipher
from storage.state.store import open_state
from upstream.tokens import cache as token_cache
from upstream.tokens.cache import Exchanged, Known, Refused, Rotated, TokenCache
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
def cache(state: StateStore, clock: Clock) -> TokenCache:
    return TokenCache(state, Cipher(b"secret"), clock)


@pytest.fixture
def other(state: StateStore, clock: Clock) -> TokenCache:
    return TokenCache(state, Cipher(b"secret"), clock)


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
    assert known.rotated == Rotated("rotated-1", clock.now)
    assert other.known(KEY) == known


async def test_the_newer_of_two_counts(cache: TokenCache, other: TokenCache, clock: Clock) -> None:
    await cache.keep(KEY, grant(1, clock, "rotated-1"))
    clock.now += 10
    await other.keep(KEY, grant(2, clock, "rotated-2"))
    known = await cache.read(KEY)
    assert known.exchanged is not None
    assert known.exchanged.access_token == "access-2"
    assert known.rotated == Rotated("rotated-2", clock.now)


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
    assert (await other.read(KEY)).refused == Refused("dead", clock.now + 60)
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
        assert known.rotated == Rotated("rotated-1", clock.now)


async def test_what_cannot_be_read_is_not_there(
    cache: TokenCache, state: StateStore, clock: Clock
) -> None:
    await cache.keep(KEY, grant(1, clock))
    foreign = TokenCache(state, Cipher(b"another secret"), clock)
    assert await foreign.read(KEY) == Known()
    old = Cipher(b"secret").encrypt(b'{"token": "of another version"}')
    await state.set(f"token:access:{KEY}", old)
    fresh = TokenCache(state, Cipher(b"secret"), clock)
    assert await fresh.read(KEY) == Known()


async def test_a_rotated_token_outlives_a_dead_store(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.state.store.PAUSE_SECONDS", 0.0)
    (tmp_path / "folder").touch()  # a file stands where the folder should be
    state = open_state(f"sqlite:{tmp_path}/folder/state.db", [].append)
    cache = TokenCache(state, Cipher(b"secret"), clock)
    await cache.keep(KEY, grant(1, clock, "rotated-1"))
    assert (await cache.read(KEY)).rotated == Rotated("rotated-1", clock.now)
    (tmp_path / "folder").unlink()
    await cache.read(KEY)
    later = TokenCache(state, Cipher(b"secret"), clock)
    assert (await later.read(KEY)).rotated == Rotated("rotated-1", clock.now)
    await state.close()


async def test_memory_is_bounded(
    cache: TokenCache, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_cache, "MAX_REMEMBERED", 3)
    for number in range(5):
        await cache.keep(f"{number}", grant(number, clock))
    assert list(cache._memory) == ["2", "3", "4"]
    assert (await cache.read("0")).exchanged is not None


@pytest.mark.parametrize(
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


@pytest.mark.parametrize("life", [10, 3600, 7200, 864_000])
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
