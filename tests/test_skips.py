"""The list of skips has exactly the skips that happen."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.rows import each_row
from tests.skips import EXPECTED_FAILURES, SKIPS, problem_of_failure, problem_of_skip

ROOT = Path(__file__).resolve().parents[1]
SOURCES = {path: path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py")}
TESTS = """
import pytest

def test_listed():
    pytest.skip("nginx is not installed")

@pytest.mark.skipif(True, reason="redis-server is not installed")
def test_listed_by_a_mark():
    pass

def test_unlisted():
    pytest.skip("not today")

@pytest.mark.skip
def test_without_a_reason():
    pass

@pytest.mark.xfail(reason="known to be broken")
def test_expected():
    assert False

def test_expected_late():
    pytest.xfail("known to be broken")

@pytest.mark.xfail(strict=False, reason="known to be broken")
def test_expected_and_yet_passed():
    pass

def test_passed():
    pass
"""
MODULE = 'import pytest\npytest.importorskip("no_such_module")\n'


def run(folder: Path, environ: dict[str, str]) -> dict[str, str]:
    """Run the tests above under the hooks; return the result of each by its name."""
    (folder / "test_some.py").write_text(TESTS)
    (folder / "test_module.py").write_text(MODULE)
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider"]
    command += ["-p", "tests.skips", "-c", "/dev/null", "--rootdir", str(folder), str(folder)]
    command += ["--continue-on-collection-errors", "--tb=no"]
    environ = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environ}
    done = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=60
    )
    ends = {}
    for line in done.stdout.splitlines():
        word, _, rest = line.partition(" ")
        if word in {"PASSED", "FAILED", "ERROR", "XFAIL", "XPASS"}:
            ends[rest.partition("::")[2].partition(" ")[0] or "the module"] = word
    assert done.returncode == 1, done.stdout + done.stderr
    return ends


@pytest.mark.whole
def test_what_is_not_listed_fails(tmp_path: Path) -> None:
    unlisted = {
        **dict.fromkeys(["test_unlisted", "test_expected", "test_expected_late"], "FAILED"),
        "test_expected_and_yet_passed": "FAILED",
        "test_without_a_reason": "ERROR",  # before it starts
        "test_passed": "PASSED",
        "the module": "ERROR",
    }
    assert run(tmp_path, {}) == unlisted  # the listed ones are skipped
    listed = {"test_listed": "FAILED", "test_listed_by_a_mark": "ERROR"}
    assert run(tmp_path, {"CI": "true"}) == unlisted | listed


def test_the_hooks_are_those_of_this_run(pytestconfig: pytest.Config) -> None:
    for name in ("pytest_runtest_makereport", "pytest_make_collect_report"):
        hooks = getattr(pytestconfig.hook, name).get_hookimpls()
        assert "tests.skips" in {hook.function.__module__ for hook in hooks}


def test_a_problem_says_which_reason_and_where_the_part_comes_from() -> None:
    assert problem_of_skip("nginx is not installed", is_ci=False) is None
    assert "system_packages.sh" in (problem_of_skip("nginx is not installed", is_ci=True) or "")
    assert "not today" in (problem_of_skip("not today", is_ci=False) or "")
    assert "some bug" in (problem_of_failure("some bug") or "")


@each_row("reason", SKIPS)
def test_each_reason_is_given_somewhere(reason: str) -> None:
    here = (Path(__file__), Path(__file__).with_name("skips.py"))
    assert any(reason in text for path, text in SOURCES.items() if path not in here)


def test_the_list_is_short() -> None:
    assert len(SKIPS) < 9
    assert EXPECTED_FAILURES == {}
