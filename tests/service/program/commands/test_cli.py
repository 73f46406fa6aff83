"""The command line, as it is typed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from service.program.commands.cli import UNREADABLE, main
from service.settings.config import Config, load_config
from service.version import how_it_runs

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def service(tmp_path, monkeypatch, capsys):
    """Return what types a command in a folder of its own.

    It runs in this process: `tests/test_snippets.py` types those of the documents.
    """
    for name in [name for name in os.environ if name.startswith("GATEWAY_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def _service(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        for name, text in environ.items():
            monkeypatch.setenv(name, text)
        try:
            status = main(arguments)
        except SystemExit as ended:
            status = int(ended.code or 0)
        return subprocess.CompletedProcess(arguments, status, *capsys.readouterr())

    return _service


def test_the_version_is_printed(service):
    assert service("--version").stdout == f"backend-to-v1 0.1.0, {how_it_runs()}\n"


def test_the_help_names_the_options(service):
    result = service("--help")
    assert result.returncode == 0
    assert all(option in result.stdout for option in ("--config", "--check", "--version"))


def test_check_prints_what_is_in_force(service):
    result = service("--check", GATEWAY_SERVER__PORT="8080")
    assert (result.returncode, result.stderr) == (0, "")
    settings = yaml.safe_load(result.stdout)
    assert settings["server"]["port"] == 8080
    assert settings["stream"]["keep_alive_seconds"] == 10


def test_what_check_prints_can_be_read_again(service, tmp_path):
    (tmp_path / "again.yaml").write_text(service("--check").stdout, encoding="utf-8")
    again = load_config(tmp_path / "again.yaml", {}).config
    assert again.model_dump(exclude={"path"}) == Config().model_dump(exclude={"path"})


def test_check_masks_every_secret(service, tmp_path):
    (tmp_path / "config.yaml").write_text(
        "tokens: {secret: hunter2}\ngpts_key: hunter2\n"
        "storage: {state: 'redis://:hunter2@h:1/0'}\n"
        "upstream: {headers: {X-Key: hunter2}, proxy: 'http://u:hunter2@h:1'}\n"
    )
    result = service("--check")
    assert result.returncode == 0
    assert "hunter2" not in result.stdout + result.stderr
    settings = yaml.safe_load(result.stdout)
    assert settings["tokens"]["secret"] == settings["gpts_key"] == "******"
    assert settings["upstream"]["headers"] == {"X-Key": "******"}
    assert settings["upstream"]["proxy"] == "http://******@h:1"
    assert settings["storage"]["state"] == "redis://******@h:1/0"


def test_check_tells_the_old_names_and_the_gpts(service, tmp_path):
    (tmp_path / "config.json").write_text('{"log_level": "INFO"}')
    (tmp_path / "gpts.json").write_text('{"classic": {"id": "g-abc"}}')
    output = service("--check", "--config", "config.json").stdout
    assert "# read `log_level` as `log.level`\n" in output
    assert "# GPTs: classic\n" in output


@pytest.mark.parametrize("more", [[], ["--check"]])
def test_bad_settings_are_a_line_each_and_status_two(service, tmp_path, more):
    (tmp_path / "bad.yaml").write_text("server: {port: x}\nfoo: 1")
    result = service("--config", "bad.yaml", *more)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [
        "server.port: 'x' is not valid, it must be a whole number from 0 to 65535",
        f"foo: no such setting; the nearest is {_nearest(result.stderr)}",
    ]


def _nearest(text: str) -> str:
    return text.rstrip().rpartition(" ")[2]


def test_a_file_that_is_not_there_is_status_two(service):
    result = service("--config", "gone.yaml")
    assert result.returncode == 2
    assert result.stderr == "gone.yaml: cannot be read: No such file or directory\n"


@pytest.mark.whole
def test_check_does_not_load_the_program(tmp_path):
    said = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "service", "--check"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert yaml.safe_load(said.stdout)["server"]
    assert "service.settings.config" in said.stderr
    assert "service.program.launch" not in said.stderr


CAPTURE = b'data: {"type":"brand_new","title":"My will"}\n\ndata: [DONE]\n\n'


def test_a_capture_is_replayed_without_settings(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = tmp_path / "capture.txt"
    path.write_bytes(CAPTURE)
    bad = tmp_path / "config.yaml"
    bad.write_text("no_such: setting")
    assert main(["--config", str(bad), "--replay", str(path)]) == 0
    assert b"unknown   type brand_new 1" in capsysbinary.readouterr().out
    assert main(["--replay", str(path), "--json"]) == 0
    assert json.loads(capsysbinary.readouterr().out)["unknown"] == {"type brand_new": 1}


def test_a_capture_is_scrubbed_into_a_file_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "capture.txt"
    path.write_bytes(CAPTURE)
    assert main(["--scrub", str(path)]) == 0
    copy = tmp_path / "capture.txt.scrubbed"
    assert capsys.readouterr().out == f"{copy}\n"
    assert path.read_bytes() == CAPTURE
    assert b"brand_new" in copy.read_bytes()
    assert b"will" not in copy.read_bytes()


def test_a_capture_that_cannot_be_read_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for option in ("--replay", "--scrub"):
        assert main([option, str(tmp_path / "none")]) == UNREADABLE
        assert capsys.readouterr().err == f"{tmp_path / 'none'}: No such file or directory\n"
