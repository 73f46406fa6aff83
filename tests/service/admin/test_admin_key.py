"""The operator's key: wrong ones are few a minute over all processes, the right one always passes."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from service.admin import admin_key
from service.admin.admin_key import MAX_WRONG, AdminKey
from service.ports import StateStore
from service.vocabulary.errors import AuthError, KeyLimitError
from storage.state.store import open_state
from tests.redis_server import running_redis

KEY = "the key of the operator"


class Time:
    """Goes on when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def clock(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    with running_redis() as server:
        yield server.url


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.needs_redis)])
async def states(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[tuple[StateStore, StateStore]]:
    """The state store as two processes open it."""
    url = f"sqlite:{tmp_path}/state.db"
    if request.param == "redis":
        url = str(request.getfixturevalue("redis"))
    one, other = (open_state(url, lambda _: None) for _ in range(2))
    yield one, other
    await one.close()
    await other.close()


def content_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def tried(key: AdminKey, sent: str, times: int = 1) -> list[int]:
    """Send a key several times; return the status of each answer."""
    told = []
    for _ in range(times):
        try:
            await key.check(sent)
            told.append(200)
        except (AuthError, KeyLimitError) as error:
            told.append(error.status)
    return told


async def test_ten_wrong_ones_a_minute_over_all_processes_and_the_right_one_passes(
    states: tuple[StateStore, StateStore],
) -> None:
    one, other = (AdminKey(KEY, state) for state in states)
    first = await tried(one, "wrong", 6)
    rest = await tried(other, "also wrong", 6)
    assert [*first, *rest] == [401] * MAX_WRONG + [429] * 2
    assert await tried(one, "wrong") == [429]
    assert await tried(one, KEY, 20) == await tried(other, KEY, 20) == [200] * 20


async def test_a_minute_later_wrong_ones_are_401_again(tmp_path: Path) -> None:
    """In one process, whose clock is the test's; a store that is dead refuses nobody."""
    time, dead = Time(), open_state(f"sqlite:{tmp_path}/none/such/state.db", lambda _: None)
    (tmp_path / "none").write_text("no directory")
    key = AdminKey(KEY, dead, time.clock)
    assert await tried(key, "wrong", MAX_WRONG + 2) == [401] * MAX_WRONG + [429] * 2
    with pytest.raises(KeyLimitError) as refused:
        await key.check("wrong")
    assert refused.value.retry_after_seconds == 60
    time.now += 60
    assert await tried(key, "wrong", MAX_WRONG + 1) == [401] * MAX_WRONG + [429]
    await dead.close()


@pytest.mark.parametrize("sent", ["", KEY[:-1], f"{KEY}x", KEY.upper(), "\udce4\udcff", "x" * 8000])
async def test_every_key_is_compared_as_a_whole_and_in_constant_time(
    sent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[int, int]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return one == other

    monkeypatch.setattr(admin_key.hmac, "compare_digest", compare)
    state = open_state(f"sqlite:{tmp_path}/state.db", lambda _: None)
    assert await tried(AdminKey(KEY, state), sent) == [401]
    assert compared == [(32, 32)]
    await state.close()


async def test_neither_key_is_in_an_error_or_in_the_store(tmp_path: Path) -> None:
    state = open_state(f"sqlite:{tmp_path}/state.db", lambda _: None)
    with pytest.raises(AuthError) as refused:
        await AdminKey(KEY, state).check("a-canary-that-is-wrong")
    await state.close()
    written = content_of(tmp_path)
    for secret in (KEY, "a-canary-that-is-wrong"):
        assert secret not in str(refused.value)
        assert secret.encode() not in written
