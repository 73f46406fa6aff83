"""Makefile and .ci/run, in a folder of their own with nothing to install."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VERBS = {"install", "run", "test", "lint", "types", "fmt", "check", "requirements", "help"}


@pytest.fixture
def folder(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    node = Path("tests/clients/node")
    (tmp_path / node).mkdir(parents=True)
    for name in ("requirements.txt", "requirements-dev.txt", "requirements-clients.txt"):
        (tmp_path / name).touch()
    for name in ("package.json", "package-lock.json", ".npmrc"):
        (tmp_path / node / name).touch()
    return tmp_path


@pytest.fixture
def without_clients(folder):
    """The folder with the clients' part done: it takes packages even when nothing is asked for."""
    stamp = folder / ".venv" / ".for-clients"
    stamp.parent.mkdir()
    stamp.touch()
    os.utime(stamp, (2**31 - 1,) * 2)
    return folder


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env={**environ, "PIP_NO_INDEX": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def test_help_lists_every_verb(folder):
    for arguments in ((), ("help",)):
        result = make(folder, *arguments)
        assert result.returncode == 0
        listed = {line.split()[1] for line in result.stdout.splitlines()}
        assert listed >= VERBS


@pytest.mark.whole
def test_install_makes_the_environment_once(without_clients):
    folder = without_clients
    first = make(folder, "install")
    assert first.returncode == 0, first.stderr
    assert (folder / ".venv" / "bin" / "python").exists()
    second = make(folder, "install")
    assert "Nothing to be done" in second.stdout
    (folder / "requirements-dev.txt").write_text("# changed")
    os.utime(folder / "requirements-dev.txt", (2**31 - 1,) * 2)
    assert "pip" in make(folder, "--dry-run", "install").stdout


def test_a_python_that_is_too_old_is_one_clear_line(folder):
    result = make(folder, "install", "PYTHON=")
    assert result.returncode != 0
    assert "Python 3.11 or newer is needed" in result.stderr


def test_run_needs_only_what_the_gateway_imports(folder):
    commands = make(folder, "--dry-run", "run", "ARGS=--check").stdout
    assert "requirements-dev" not in commands
    assert "-m service --check" in commands


def test_packages_are_installed_by_hash(folder):
    for line in make(folder, "--dry-run", "install").stdout.splitlines():
        if " install " in line:
            assert "--require-hashes" in line


def test_what_takes_long_is_announced(folder):
    commands = make(folder, "--dry-run", "install").stdout.splitlines()
    for number, line in enumerate(commands):
        if " -r requirements" in line:
            assert any(
                before.startswith("echo ") for before in commands[max(0, number - 4) : number]
            )


def test_ci_runs_the_tests_and_the_checks_from_anywhere(folder, tmp_path_factory):
    (folder / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", folder / ".ci" / "run")
    (folder / "Makefile").write_text("%:\n\t@echo $@ in $(CURDIR)\n")
    result = subprocess.run(
        [folder / ".ci" / "run"],
        cwd=tmp_path_factory.mktemp("elsewhere"),
        env={"PATH": os.environ["PATH"], "CI": "true"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    for verb in ("install", "lint", "types", "test"):
        assert f"{verb} in {folder}" in result.stdout


def test_ci_fails_when_a_step_fails(folder):
    (folder / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", folder / ".ci" / "run")
    (folder / "Makefile").write_text(
        "install:\n\nlint types:\n\t@exit 3\n\ntest:\n\t@echo tested\n"
    )
    result = subprocess.run(
        [folder / ".ci" / "run"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode != 0
    assert "tested" not in result.stdout
