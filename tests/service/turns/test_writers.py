from collections.abc import Iterator
from pathlib import Path

import pytest

from service.turns.kept_values import KeepLimits, KeptValues
from service.turns.writers import Stop, Writers
from storage.state.store import open_state
from tests.redis_server import running_redis

LIMITS = KeepLimits(60, 10**9, 10**9)


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    with running_redis() as server:
        yield server.url


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.needs_redis)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:{tmp_path}/state.db"
    return str(request.getfixturevalue("redis"))


async def test_another_process_sees_what_is_written_and_leaves_notes(url: str) -> None:
    stores = [open_state(url, lambda _: None) for _ in range(2)]
    here, there = (Writers(KeptValues(store, LIMITS)) for store in stores)
    assert not await there.is_held("me", "resp_1")
    async with here.writing("me", "resp_1"):
        assert await there.is_held("me", "resp_1")
        assert await here.is_held("me", "resp_1")
        assert not await there.is_held("you", "resp_1")
        assert await here.asked("me", "resp_1") is None
        await there.ask("me", "resp_1", Stop.CANCEL)
        assert await here.asked("me", "resp_1") is Stop.CANCEL
        assert await here.asked("you", "resp_1") is None
        await there.ask("me", "resp_1", Stop.DELETE)
        assert await here.asked("me", "resp_1") is Stop.DELETE
    assert not await there.is_held("me", "resp_1")
    assert not await here.is_held("me", "resp_1")
    async with there.outliving("me", "resp_1"):
        assert await here.is_held("me", "resp_1")
    for store in stores:
        await store.close()
