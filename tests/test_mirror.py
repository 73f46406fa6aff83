"""Every source file has its test file, at the same place below `tests/`."""

import ast
import functools
from pathlib import Path

from tests.rooms import ROOT, paths

OF_WHOLE_ROOMS = {
    "tests/service/test_main.py",
    "tests/handlers/console/test_admin_in_browser.py",
    "tests/handlers/console/test_in_browser.py",
}


@functools.cache
def sources() -> dict[str, Path]:
    return {
        module: path
        for module, path in paths().items()
        if module.rpartition("/")[2] not in ("__init__", "__main__")
    }


def has_behaviour(path: Path) -> bool:
    """Tell whether a module has a function or method, not only records."""
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    return any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in nodes)


def test_a_source_file_has_a_test_file() -> None:
    missing = [
        module
        for module, path in sources().items()
        if not (ROOT / "tests" / module).with_name(f"test_{module.rpartition('/')[2]}.py").is_file()
        and has_behaviour(path)
    ]
    assert missing == []


def test_a_test_file_in_a_room_has_its_source_file() -> None:
    """Tests of several modules are above the rooms, so no test outlives its module."""
    rooms = {module.rpartition("/")[0] for module in sources()}
    stray = [
        str(path.relative_to(ROOT))
        for room in rooms
        for path in (ROOT / "tests" / room).glob("test_*.py")
        if f"{room}/{path.stem.removeprefix('test_')}" not in sources()
    ]
    assert set(stray) == OF_WHOLE_ROOMS


def test_there_is_something_to_mirror() -> None:
    assert len(sources()) > 50
