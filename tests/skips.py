"""Every test that may be skipped, with its reason; any other skip is a failure.

A skip is for a part that a machine may lack. With `CI=true` no part may be missing, so a skip
fails; elsewhere it is shown in the summary under its name here. A test that is expected to fail
would have to be listed too; there is none.

The hooks below enforce the list; `tests/conftest.py` imports them.
"""

import os
from collections.abc import Generator, Mapping

import pytest

# The text of the skip, who lacks the part, and how to get it.
SKIPS: Mapping[str, str] = {
    "redis-server is not installed": (
        "the state store that machines share; tests/system_packages.sh installs it as root"
    ),
    "nginx is not installed": (
        "the reverse proxy of deploy/nginx.conf; tests/system_packages.sh installs it as root"
    ),
    "faketime is not installed": (
        "the library that moves the clock of a process; tests/system_packages.sh installs it as root"
    ),
    "chromium is not installed": (
        "the browser that the console is looked at in; tests/system_packages.sh installs it as root"
    ),
    "systemd-analyze is not installed": (
        "the judge of deploy/backend-to-v1.service; tests/system_packages.sh installs it as root"
    ),
    "a compiler for C is not installed": (
        "for make compiled, with Python's headers; tests/system_packages.sh installs it as root"
    ),
    "the clients are not installed": (
        "programs that people use, with node, in .venv/clients; make test puts them there, "
        "but for aider with Python 3.13 or newer, which it does not take"
    ),
    "networks without a way out are not allowed": (
        "namespaces of Linux in which clients reach nothing but loopback; root may have them"
    ),
}
EXPECTED_FAILURES: Mapping[str, str] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Check a test that was skipped, or failed as expected, against the list."""
    report = yield
    _hold(report, getattr(report, "wasxfail", None))
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Check a module that skips itself as a whole against the list."""
    report = yield
    _hold(report, None)
    return report


def _hold(report: pytest.TestReport | pytest.CollectReport, expected: str | None) -> None:
    if expected is not None:
        problem = problem_of_failure(expected.removeprefix("reason: "))
    elif report.skipped:
        words = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        is_ci = os.environ.get("CI") == "true"
        problem = problem_of_skip(words.removeprefix("Skipped: "), is_ci=is_ci)
    else:
        return
    if problem is not None:
        report.outcome = "failed"
        report.longrepr = problem
        if isinstance(report, pytest.TestReport) and expected is not None:
            del report.wasxfail


def problem_of_skip(reason: str, *, is_ci: bool) -> str | None:
    """Return why a test may not be skipped for this reason, None if it may."""
    if reason not in SKIPS:
        return f"A test was skipped for a reason that tests/skips.py does not list: {reason}"
    if is_ci:
        return f"With CI=true nothing may be missing: {reason} ({SKIPS[reason]})"
    return None


def problem_of_failure(reason: str) -> str | None:
    """Return why a test may not be expected to fail, None if it may."""
    if reason in EXPECTED_FAILURES:
        return None
    return f"A test is expected to fail, and tests/skips.py does not list it: {reason}"
