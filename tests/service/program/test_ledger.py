"""Where the log of calls is kept."""

from pathlib import Path

import pytest

from service.program.ledger import calls_file, open_calls
from service.settings.config import Config
from storage.ledger.redis_calls import RedisCalls
from storage.ledger.sqlite_calls import SqliteCalls


@pytest.mark.parametrize(
    ("state", "file"),
    [
        ("sqlite:data/state.db", Path("data/calls.db")),
        ("sqlite:/var/lib/gateway/s.db", Path("/var/lib/gateway/calls.db")),
        ("redis://127.0.0.1:1/0", None),
        ("unix:///run/redis.sock", None),
    ],
)
async def test_the_log_is_where_the_state_is(state: str, file: Path | None) -> None:
    config = Config(storage={"state": state})  # type: ignore[arg-type]  # as in a settings file
    assert calls_file(config) == file
    log = open_calls(config)
    assert isinstance(log, RedisCalls if file is None else SqliteCalls)
    await log.close()
