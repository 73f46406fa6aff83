"""What is compiled passes the tests of its sources: `make test-compiled`, a minute or two of compiling."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from supply.compiled import ROOT, remove

# With these the definitions are held: named cases, any cut, oracles, lanes, and whole answers.
TESTS = (
    "service/stages",
    "service/pipeline",
    "upstream/line",
    "handlers/answering",
    "test_golden.py",
)


def run(*command: str, place: Path) -> str:
    done = subprocess.run(
        [sys.executable, *command], cwd=place, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    return done.stdout


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The files that git knows, in a folder of their own."""
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, names.split("\0")):
        if (source := ROOT / name).is_file():
            (place := tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, place)
    return tmp_path


@pytest.mark.skipif(shutil.which("cc") is None, reason="a compiler for C is not installed")
def test_the_same_tests_pass(copy: Path):
    assert run("-m", "service", "--version", place=copy).endswith("interpreted\n")
    run("-c", "from supply.compiled import build; build(optimised='0')", place=copy)
    assert run("-m", "service", "--version", place=copy).endswith("compiled\n")
    tests = [f"tests/{name}" for name in TESTS]
    done = run(
        "-m",
        "pytest",
        "-q",
        "--hypothesis-profile",
        "quick",
        "--forks",
        "2",
        *tests,
        place=copy,
    )
    assert "passed" in done
    remove(copy)
    assert run("-m", "service", "--version", place=copy).endswith("interpreted\n")
