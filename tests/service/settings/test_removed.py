from pathlib import Path

import pytest

from service.settings.config import load_config
from service.settings.problems import ConfigError

NOTE = (
    "`server.join_seconds` has no effect any more: "
    "only requests with an `Idempotency-Key` join a turn"
)


def test_a_setting_that_was_taken_out_is_reported_once_and_has_no_effect(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("server: {join_seconds: 30, port: 1234}\n")
    loaded = load_config(path, {"GATEWAY_SERVER__JOIN_SECONDS": "5"})
    assert loaded.notes == (NOTE,)
    assert loaded.config.server.port == 1234
    assert not hasattr(loaded.config.server, "join_seconds")


def test_it_may_come_from_the_environment_alone() -> None:
    assert load_config(None, {"GATEWAY_SERVER__JOIN_SECONDS": "anything"}).notes == (NOTE,)


def test_another_unknown_name_beside_it_is_still_an_error(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("server: {join_seconds: 30, joined: 1}\n")
    with pytest.raises(ConfigError, match=r"server\.joined"):
        load_config(path, {})
