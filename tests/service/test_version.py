"""The version stands in two places that must agree, and says what runs."""

import os
import tomllib
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from service.version import VERSION, how_it_runs

ROOT = Path(__file__).resolve().parents[2]


def test_the_version_is_that_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == VERSION


def test_what_is_compiled_must_be_as_new_as_its_source(tmp_path: Path):
    source = tmp_path / "service" / "stages" / "parse.py"
    source.parent.mkdir(parents=True)
    source.touch()
    library = source.with_name(f"parse{EXTENSION_SUFFIXES[0]}")
    library.touch()
    os.utime(library, (2_000_000_000, 2_000_000_000))
    assert how_it_runs(tmp_path) == "compiled"
    os.utime(source, (2_000_000_001, 2_000_000_001))
    older = "compiled, older than service/stages/parse.py: make compiled"
    assert how_it_runs(tmp_path) == older
    source.unlink()
    assert how_it_runs(tmp_path) == older
