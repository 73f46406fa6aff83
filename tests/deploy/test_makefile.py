"""Makefile and .ci/run, in a folder of their own: with nothing to install, or from an index of loopback."""

import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).resolve().parents[2]
VERBS = {"install", "run", "test", "quick", "lint", "types", "fmt", "check", "requirements", "help"}
LISTS = (
    "requirements.txt",
    "requirements-uv.txt",
    "requirements-dev.txt",
    *(f"tests/clients/python/{place}.txt" for place in ("sdk2", "sdk3", "aider")),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    node = folder / "tests" / "clients" / "node"
    node.mkdir(parents=True)
    (node.parent / "python").mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    for name in LISTS:
        (folder / name).touch()
    for name in ("package.json", "package-lock.json", ".npmrc"):
        (node / name).touch()
    return folder


def make(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    ours = ("MAKE", "PIP_", "UV_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env={**clean, "UV_CACHE_DIR": str(folder / "cache"), **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def dry_run(folder: Path, *arguments: str) -> str:
    """The commands that make would give."""
    return make(folder, "--dry-run", "PYTHON=python3", *arguments).stdout


def wheel_of(name: str, folder: Path) -> Path:
    """Pack what is installed of a package as the wheel that it came from."""
    found = importlib.metadata.distribution(name)
    assert found.files is not None
    (tag, *_) = re.findall("^Tag: (.+)$", found.read_text("WHEEL") or "", re.MULTILINE)
    full = f"{found.name.replace('-', '_')}-{found.version}"
    folder.mkdir(parents=True)
    with ZipFile(folder / f"{full}-{tag}.whl", "w") as wheel:
        for file in found.files:
            if file.suffix != ".pyc" and file.name not in ("RECORD", "INSTALLER", "REQUESTED"):
                place = f"{full}.data/scripts/{file.name}" if ".." in file.parts else str(file)
                wheel.write(str(file.locate()), place)
        record = f"{full}.dist-info/RECORD"
        wheel.writestr(record, "".join(f"{one},,\n" for one in [*wheel.namelist(), record]))
        return Path(str(wheel.filename))


def pinned(wheel: Path, digest: str = "") -> str:
    """A line of requirements for a wheel; with its digest, unless another is given."""
    name, version, *_ = wheel.name.split("-")
    digest = digest or hashlib.sha256(wheel.read_bytes()).hexdigest()
    return f"{name}=={version} --hash=sha256:{digest}\n"


@pytest.fixture
def index(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A package index on loopback: its address, and the folder that it serves."""
    served = tmp_path / "index"
    served.mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=served)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/", served
        finally:
            server.shutdown()
            thread.join()


def test_help_lists_every_verb(folder: Path) -> None:
    for arguments in ((), ("help",)):
        result = make(folder, *arguments)
        assert result.returncode == 0
        listed = {line.split()[1] for line in result.stdout.splitlines()}
        assert listed >= VERBS


def test_install_brings_uv_which_brings_the_rest_once(
    folder: Path, index: tuple[str, Path]
) -> None:
    """uv is the real one, and finds the package where pip's own settings say that packages are."""
    address, served = index
    (folder / "requirements-uv.txt").write_text(pinned(wheel_of("uv", served / "uv")))
    package = wheel_of("typing-extensions", served / "typing-extensions")
    settings = folder / "pip.conf"
    settings.write_text(f"[global]\nindex-url = {address}\n")
    mirror = {"PIP_CONFIG_FILE": str(settings), "no_proxy": "127.0.0.1"}

    (folder / "requirements.txt").write_text(pinned(package, "0" * 64))
    refused = make(folder, "install", **mirror)
    assert refused.returncode != 0
    assert "Hash mismatch" in refused.stderr
    (folder / "requirements.txt").write_text(pinned(package))
    first = make(folder, "install", **mirror)
    assert first.returncode == 0, first.stderr
    (library,) = (folder / ".venv" / "lib").glob("python*/site-packages")
    assert (library / "typing_extensions.py").is_file()
    assert list((library / "__pycache__").glob("typing_extensions.*.pyc"))
    assert not (folder / ".venv" / "clients").exists()

    second = make(folder, "install")
    assert "Nothing to be done" in second.stdout
    os.utime(folder / "requirements-dev.txt", (2**31 - 1,) * 2)
    assert "uv pip install" in dry_run(folder, "install")


def test_a_python_that_is_too_old_is_one_clear_line(folder: Path) -> None:
    result = make(folder, "install", "PYTHON=")
    assert result.returncode != 0
    assert "Python 3.11 or newer is needed" in result.stderr


def test_each_verb_installs_only_what_it_needs(folder: Path) -> None:
    run = dry_run(folder, "run", "ARGS=--check")
    assert "requirements.txt" in run
    assert "requirements-dev" not in run
    assert "-m service --check" in run
    for verb in ("install", "quick", "lint"):
        commands = dry_run(folder, verb)
        assert "requirements-dev" in commands
        assert "clients" not in commands
        assert "system_packages" not in commands
    test = dry_run(folder, "test")
    for part in ("requirements-dev", "python/sdk2.txt", "npm", "opencode-ai", "system_packages"):
        assert part in test


def test_packages_are_installed_by_hash_and_announced(folder: Path) -> None:
    commands = dry_run(folder, "test").splitlines()
    numbers = [number for number, line in enumerate(commands) if re.search(r" -r \S+\.txt", line)]
    assert len(numbers) == len(LISTS)
    for number in numbers:
        assert "--require-hashes" in commands[number]
        assert any(line.startswith("echo ") for line in commands[number - 3 : number])


def test_the_list_of_uv_has_wheels_for_many_machines_and_names_no_registry() -> None:
    text = (ROOT / "requirements-uv.txt").read_text("utf-8")
    assert text.count("--hash=sha256:") > 10
    assert "://" not in text


def test_ci_runs_the_tests_and_the_checks_from_anywhere(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
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
    steps = ("install", "lint", "types", "test", "test-compiled", "faults", "faults")
    for verb in steps:
        assert f"{verb} in {folder}" in result.stdout
    took = ", ".join(rf"{verb} \d+ s" for verb in steps)
    assert re.search(rf"^== all passed in \d+ s: {took}$", result.stdout, re.MULTILINE)


def test_ci_fails_when_a_step_fails(folder: Path) -> None:
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
