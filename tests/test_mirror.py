"""Every source file has its test file, at the same place below `tests/`."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("service", "handlers", "upstream", "storage")
EXEMPT = ("__init__.py", "__main__.py")  # empty, and the start of a process


def sources() -> list[Path]:
    found = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    return sorted(path.relative_to(ROOT) for path in found if path.name not in EXEMPT)


@pytest.mark.parametrize("source", sources(), ids=str)
def test_a_source_file_has_a_test_file(source: Path) -> None:
    assert (ROOT / "tests" / source.parent / f"test_{source.name}").is_file()


def test_there_is_something_to_mirror() -> None:
    assert len(sources()) > 50
