"""`make quick` leaves out what the lists say, and the lists are up to date."""

import re

import pytest

from tests import whole
from tests.rows import each_row
from tests.whole import FIXTURES, FOLDER, FOLDERS, LONGEST, READ, is_place_of_the_whole


@each_row(
    ("place", "is_whole"),
    [
        ("test_sdk.py", True),
        ("test_layering.py", False),
        ("clients", True),
        ("deploy/test_makefile.py", True),
        ("service", False),
        ("service/pipeline/test_usage.py", False),
        ("conftest.py", False),
        ("", False),
    ],
)
def test_a_place_is_of_the_whole_or_not(place: str, *, is_whole: bool) -> None:
    assert is_place_of_the_whole(FOLDER / place) is is_whole


def test_what_is_listed_is_there() -> None:
    assert all((FOLDER / name).is_dir() for name in FOLDERS)
    assert [name for name in LONGEST if not (FOLDER / name).is_file()] == []
    names = READ.pattern.partition("(")[2].partition(")")[0].split("|")
    assert [name for name in names if not (FOLDER / f"test_{name}.py").is_file()] == []
    sources = "".join(path.read_text("utf-8") for path in FOLDER.rglob("*.py"))
    assert [name for name in FIXTURES if not re.search(rf"def {name}\(", sources)] == []


def test_the_hooks_are_those_of_this_run(pytestconfig: pytest.Config) -> None:
    for name in ("pytest_collection_modifyitems", "pytest_ignore_collect"):
        hooks = getattr(pytestconfig.hook, name).get_hookimpls()
        assert whole.__name__ in {hook.function.__module__ for hook in hooks}


def test_this_test_is_quick(request: pytest.FixtureRequest) -> None:
    assert request.node.get_closest_marker("whole") is None


def test_this_test_is_of_the_whole_by_its_fixture(
    request: pytest.FixtureRequest, demo: str
) -> None:
    assert demo
    assert request.node.get_closest_marker("whole") is not None
