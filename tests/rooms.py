"""The rooms of ARCHITECTURE.md and the imports of each module, for the tests that compare them."""

import ast
import functools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("service", "handlers", "upstream", "storage")


class Room(NamedTuple):
    """One row of the table; `may_import` has folders and modules such as `service/ports`."""

    purpose: str
    may_import: tuple[str, ...]
    may_import_everything: bool = False


def table() -> dict[str, Room]:
    """Return the rooms by folder, as ARCHITECTURE.md lists them."""
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z_/]+)` \| ([^|]+) \| ([^|]+) \|$", text, re.MULTILINE)
    return {
        folder: Room(purpose, tuple(re.findall(r"`([a-z_/]+)`", rule)), rule == "everything")
        for folder, purpose, rule in rows
        if folder.partition("/")[0] in PACKAGES
    }


def paths() -> dict[str, Path]:
    """Return the files of the four packages by module: `service/stages/decode/sse`."""
    found = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {str(path.relative_to(ROOT).with_suffix("")): path for path in found}


@functools.cache
def sources() -> dict[str, str]:
    """Return the texts of the modules of the four packages."""
    return {module: path.read_text("utf-8") for module, path in paths().items()}


@functools.cache
def modules() -> dict[str, ast.Module]:
    """Return the modules of the four packages, parsed."""
    return {module: ast.parse(source, module) for module, source in sources().items()}


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield all statements; expressions, which are most of a module, are not looked through."""
    places = [tree]
    for place in places:  # it grows
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            places += getattr(place, name, ())
        yield place


@functools.cache
def imports(tree: ast.AST) -> tuple[str, ...]:
    """Return the full name of everything that is imported anywhere in the module."""
    return tuple(_imports(tree))


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in statements(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                yield f"{node.module}.{alias.name}"


def own_imports(tree: ast.AST, known: Mapping[str, ast.Module]) -> set[str]:
    """Return our own modules that a module imports, as paths such as `service/ports`."""
    found = set()
    for name in imports(tree):
        if name.partition(".")[0] in PACKAGES:
            path = name.replace(".", "/")
            found.add(path if path in known else path.rpartition("/")[0])
    return found
