"""deploy/backend-to-v1.service."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from service.program.runner import FLUSH_SECONDS
from service.settings.config import SETTINGS, Config
from tests.documents import ROOT
from tests.service.program.gateway_process import GatewayProcess

UNIT = ROOT / "deploy" / "backend-to-v1.service"
ANALYZE = shutil.which("systemd-analyze")


@pytest.fixture
def settings() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        if line and line[0] not in "#[":
            name, _, text = line.partition("=")
            found.setdefault(name, []).append(text)
    return found


def test_its_variables_are_settings(settings: dict[str, list[str]]) -> None:
    names = [text.partition("=")[0] for text in settings["Environment"]]
    known = {"GATEWAY_" + name.replace(".", "__").upper() for name in SETTINGS}
    assert {name for name in names if name.startswith("GATEWAY")} <= known


def test_draining_has_its_time(settings: dict[str, list[str]]) -> None:
    needed = Config().server.drain_seconds + FLUSH_SECONDS
    assert int(settings["TimeoutStopSec"][0]) >= needed + 10
    assert settings["KillMode"] == ["mixed"]  # one signal: workers and demo get theirs from us


def test_its_command_starts_the_gateway_from_any_directory(
    settings: dict[str, list[str]], tmp_path: Path
) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "service.py").write_text("raise RuntimeError('not from the working directory')")
    config = tmp_path / "config.yaml"
    config.write_text(
        "{server: {host: 127.0.0.1, port: 0}, upstream: {base_url: 'http://127.0.0.1:9'}}"
    )
    _, *arguments = settings["ExecStart"][0].split()
    command = [str(config) if one.endswith("config.yaml") else one for one in arguments]
    gateway = GatewayProcess(folder, *command)
    try:
        assert gateway.get("/healthz") == b'{"status":"ok"}'
        assert gateway.stop() == 0
    finally:
        gateway.close()
    assert (folder / "data").is_dir()


def test_systemd_takes_it_and_finds_it_well_shut_in(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    # Verified where it is not installed: the program is another one that exists.
    unit.write_text(UNIT.read_text().replace("/opt/backend-to-v1/.venv/bin/python", sys.executable))
    if ANALYZE is None:  # then the test above has to do
        pytest.skip("systemd-analyze is not installed")
    verified = subprocess.run(
        [ANALYZE, "verify", unit], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")
    known = subprocess.run([ANALYZE, "--help"], capture_output=True, text=True, check=False)
    if "--offline" not in known.stdout:
        return  # an old one
    judged = subprocess.run(
        [ANALYZE, "security", "--offline=yes", "--threshold=20", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert judged.returncode == 0, judged.stdout[-200:] + judged.stderr
