"""The tests that `make quick` leaves out: those of the whole program.

A test of the whole needs a client, a browser, a server, another process or a wait. It has the mark
`whole`, or is recognised by its place or its fixtures, from the lists below. The hooks mark it, and
do not import modules that have no other tests, since importing takes most of the time.
"""

import functools
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
FOLDERS = frozenset({"clients", "compatibility", "deploy", "wire"})
# Modules directly below tests/ are of the whole program except these, which read the tree.
READ = re.compile(
    r"test_(chance|docstrings|documents|jumping|layering|mirror|readme|readme_settings|rows|sizes|skips|threat_model|whole)\.py"
)
# Fixtures that start a gateway, an upstream, a browser or a store.
FIXTURES = frozenset({"start_gateway", "demo", "scripted", "chromium", "s3"})
MARKS = frozenset({"needs_redis", "needs_nginx"})
QUICK = "not whole"
# Modules that take more than ten seconds, the longest first (`--durations` of pytest says how long):
# those that mostly wait for what their processes do, and those that keep a processor busy. They begin
# in turns, one of each, so that there is always something to compute while others wait.
WAITING = (
    "test_soak.py",
    "test_snippets.py",
    "test_codex_tokens_kept.py",
    "test_signing_in.py",
    "test_tokens_kept.py",
    "test_bench.py",
    "clients/test_codex_account.py",
    "test_survival.py",
    "service/program/test_launch.py",
    "test_background.py",
    "test_cluster.py",
    "test_full_disk.py",
    "test_workers.py",
    "test_secrets_stay.py",
    "test_calls.py",
)
BUSY = (
    "handlers/console/test_in_browser.py",
    "clients/test_schemathesis.py",
    "handlers/console/test_admin_in_browser.py",
    "clients/test_sdk3.py",
    "deploy/test_dockerfile.py",
    "clients/test_coding.py",
    "clients/test_documented.py",
    "clients/test_sdk2.py",
    "service/stages/test_transcripts.py",
    "test_fuzz.py",
    "wire/test_codex_scenes.py",
    "test_hostile.py",
    "service/program/test_workers.py",
    "deploy/test_makefile.py",
    "service/stages/test_properties.py",
)
LONGEST = tuple(name for pair in zip(WAITING, BUSY, strict=True) for name in pair)


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of the whole that are not marked, and begin with the longest modules.

    So no process of `tests/forks.py` is left with a long one when the others have nothing more to do.
    """
    for item in items:
        if is_place_of_the_whole(item.path) or takes_the_whole(item):
            item.add_marker("whole")
    items.sort(key=lambda item: turn_of(item.path))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip the import of modules that would be left out as a whole."""
    is_quick = config.getoption("markexpr") == QUICK
    return True if is_quick and is_place_of_the_whole(collection_path) else None


@functools.cache
def turn_of(path: Path) -> int:
    """Return the place of a module in the order of the run: the longest, others of the whole, the rest."""
    name = path.relative_to(FOLDER).as_posix() if path.is_relative_to(FOLDER) else ""
    if name in LONGEST:
        return LONGEST.index(name)
    return len(LONGEST) + (not is_place_of_the_whole(path))


@functools.cache
def is_place_of_the_whole(path: Path) -> bool:
    """Tell whether all tests of a module or folder are of the whole."""
    if not path.is_relative_to(FOLDER) or path == FOLDER:
        return False
    first, *others = path.relative_to(FOLDER).parts
    is_at_the_top = not others and first.startswith("test_")
    return first in FOLDERS or (is_at_the_top and not READ.fullmatch(first))


def takes_the_whole(item: pytest.Item) -> bool:
    """Tell by fixtures and marks whether a test needs more than its module."""
    taken = FIXTURES.intersection(getattr(item, "fixturenames", ()))
    return bool(taken or MARKS.intersection(mark.name for mark in item.iter_markers()))
