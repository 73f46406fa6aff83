"""Tests that run in forked processes are told as if one process had run them."""

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.documents import ROOT

IMPORTS = "import os, signal, time\nimport pytest\n"
CONFTEST = """
import os
import pytest

@pytest.fixture(scope="session")
def once(tmp_path_factory):
    with (tmp_path_factory.getbasetemp().parent / "opened").open("a") as file:
        file.write(f"{os.getpid()}\\n")
"""


def run(folder: Path, *options: str, **modules: str) -> subprocess.CompletedProcess[str]:
    """Run modules of these tests in two processes."""
    (folder / "conftest.py").write_text(CONFTEST, "utf-8")
    for name, source in modules.items():
        (folder / f"test_{name}.py").write_text(IMPORTS + source, "utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "tests.forks", "--forks", "2", "-rA", *options]
    command += [
        "-c",
        "/dev/null",
        "--rootdir",
        str(folder),
        "--basetemp",
        str(folder / "t"),
        folder,
    ]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def outcomes(text: str) -> dict[str, str]:
    """Return the outcome of each test, by its name."""
    return {name: what for what, name in re.findall(r"^([A-Z]+) .*::(\w+)", text, re.MULTILINE)}


def test_all_are_told_with_what_they_printed(tmp_path: Path) -> None:
    failing = "def test_b():\n print('said')\n assert 1 == 2\ndef test_c(): pytest.skip('none')"
    ran = run(tmp_path, f"--junitxml={tmp_path}/all.xml", a="def test_a(): pass", b=failing)
    assert ran.returncode == 1
    assert outcomes(ran.stdout) == {"test_a": "PASSED", "test_b": "FAILED"}
    assert "assert 1 == 2" in ran.stdout
    assert "said" in ran.stdout
    assert "1 failed, 1 passed, 1 skipped" in ran.stdout
    suite = ElementTree.parse(f"{tmp_path}/all.xml").getroot()[0]  # noqa: S314 - pytest's own
    assert {each.get("name") for each in suite} == {"test_a", "test_b", "test_c"}


def test_a_process_that_dies_fails_its_test_and_no_other(tmp_path: Path) -> None:
    dying = (
        "def test_a(): pass\ndef test_b(): os.kill(os.getpid(), signal.SIGKILL)\ndef test_c(): pass"
    )
    ran = run(tmp_path, a=dying, b="def test_d(): pass")
    told = {"test_a": "PASSED", "test_b": "FAILED", "test_c": "PASSED", "test_d": "PASSED"}
    assert outcomes(ran.stdout) == told
    assert "the process of this test ended with status -9" in ran.stdout
    assert ran.returncode == 1


def test_a_process_that_dies_after_its_tests_is_no_pass(tmp_path: Path) -> None:
    ending = "class Ending:\n def pytest_unconfigure(self): os._exit(3)\n"
    ending += "def test_a(pytestconfig): pytestconfig.pluginmanager.register(Ending())"
    ran = run(tmp_path, a=ending)
    assert ran.returncode == pytest.ExitCode.INTERNAL_ERROR
    assert "a process ended with status 3 after its tests" in ran.stdout


def test_no_more_are_run_than_wanted(tmp_path: Path) -> None:
    slow = "@pytest.fixture(scope='module')\ndef server(tmp_path_factory):\n yield\n"
    slow += " (tmp_path_factory.getbasetemp().parent / 'closed').touch()\n"
    slow += "def test_slow(server): time.sleep(0.5)\ndef test_after(server): time.sleep(60)"
    many = {f"m{number}": "def test_it(): assert False" for number in range(6)}
    ran = run(tmp_path, "--maxfail=1", a=slow, **many)
    assert "stopping after 1 failures" in ran.stdout
    assert "1 failed" in ran.stdout
    assert "passed" not in ran.stdout
    assert ran.returncode == 1
    assert (tmp_path / "closed").exists()


def test_a_fixture_of_the_session_is_made_once_in_each_process(tmp_path: Path) -> None:
    many = {f"m{number}": "def test_it(once): time.sleep(0.05)" for number in range(6)}
    assert run(tmp_path, **many).returncode == 0
    processes = (tmp_path / "opened").read_text("utf-8").split()
    assert len(processes) == len(set(processes)) == 2
