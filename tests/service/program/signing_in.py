"""Commands that sign in at a demo, run in this process and in a directory of their own."""

import json
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from service.program.commands.cli import main
from service.program.kept import open_key_file
from service.settings.config import load_config
from storage.secrets.key_file import KeyFile
from tests.service.program.gateway_process import fetch

Command = Callable[..., int]


def settings_for(demo: str) -> dict[str, Any]:
    """Return settings of a gateway whose only upstream is Codex's, played by a demo elsewhere."""
    return {
        "server": {"host": "127.0.0.1", "port": 0, "drain_seconds": 0.2},
        "log": {"to_file": False},
        "upstream": {"base_url": "none"},
        "codex": {"base_url": f"{demo}/backend-api/codex"},
        "tokens": {"codex_url": f"{demo}/oauth/token"},
    }


def choose(demo: str, **choice: str) -> None:
    """Choose who the demo's logins sign in, and how they end."""
    post(f"{demo}/demo/codex/login", **choice)


def expire(demo: str) -> None:
    """End all access tokens that the demo has given."""
    post(f"{demo}/demo/codex/expire", code="token_expired")


def post(url: str, **fields: str) -> None:
    host, _, path = url.removeprefix("http://").partition("/")
    headers = {"Content-Type": "application/json", "Connection": "close"}
    with closing(HTTPConnection(host, timeout=20)) as connection:
        connection.request("POST", f"/{path}", json.dumps(fields), headers)
        assert connection.getresponse().status == 200


def codex_stats(demo: str) -> Any:
    """Return what the demo has seen at Codex's doors."""
    with closing(fetch(f"{demo}/demo/codex/stats")) as response:
        return json.load(response)


def command_in(folder: Path, settings: dict[str, Any], patch: pytest.MonkeyPatch) -> Command:
    """Return what runs a command in a folder with these settings."""
    (folder / "config.yaml").write_text(json.dumps(settings))
    patch.chdir(folder)
    patch.setattr("upstream.login.device_code._INTERVALS", (0.01, 60.0))
    return lambda *arguments: main(arguments)


def key_file(folder: Path) -> KeyFile:
    """Return the file of keys of the gateway in a folder, which is the current directory."""
    return open_key_file(load_config(folder / "config.yaml").config)
