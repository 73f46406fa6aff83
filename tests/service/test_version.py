"""The version stands in two places that must agree."""

import tomllib
from pathlib import Path

from service.version import VERSION

ROOT = Path(__file__).resolve().parents[2]


def test_the_version_is_that_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == VERSION
