"""The rooms are those of ARCHITECTURE.md, and imports follow its table."""

import ast
import functools
import re
import sys

from tests.rooms import PACKAGES, ROOT, imports, modules, own_imports, sources, table

ROOMS = table()
MAX_MODULES = 12  # of a room, its __init__ apart
# Modules outside the rooms, each with what it may import.
OUTSIDE = {
    "service/__main__": {"service/program/commands"},
    "service/keys": {
        *("service/admin", "service/ledger", "service/observing", "service/ports"),
        *("service/settings", "service/turns", "service/vocabulary"),
    },
    "service/ports": {"service/sink", "service/vocabulary"},
    "service/random_ids": set(),
    "service/sink": set(),
    "service/version": set(),
    "handlers/routes": {
        *("handlers/about", "handlers/background", "handlers/edge", "handlers/files"),
        *("handlers/openapi", "service/settings"),
    },
}
COMPOSITION = "service/program"
STAGE_LIBRARIES = {"msgspec", "orjson", "typing_extensions"}
# Modules of the standard library that wait, do I/O, or read the clock.
IMPURE = {
    *("asyncio", "concurrent", "contextvars", "ctypes", "datetime", "ftplib", "glob", "http"),
    *("logging", "mmap", "multiprocessing", "os", "pathlib", "pickle", "queue", "random"),
    *("secrets", "select", "selectors", "shelve", "shutil", "signal", "smtplib", "socket"),
    *("socketserver", "sqlite3", "ssl", "subprocess", "sys", "tempfile", "threading", "time"),
    *("urllib.request", "uuid"),
}
# The last two set variables for libraries that read nothing else.
ENVIRONMENT_READERS = {
    *("service/settings/config", "service/settings/environment"),
    *("service/observing/shared_metrics", "service/observing/tracing"),
}


@functools.cache
def all_imports() -> dict[str, set[str]]:
    """Return our own modules that each module imports."""
    return {module: own_imports(tree, modules()) for module, tree in modules().items()}


def room_of(module: str) -> str:
    return module.rpartition("/")[0]


def is_within(module: str, places: set[str]) -> bool:
    return any(module == place or module.startswith(f"{place}/") for place in places)


def test_the_rooms_of_the_table_are_those_of_the_tree() -> None:
    in_rooms = {room_of(module) for module in modules() if not module.endswith("/__init__")}
    assert in_rooms - {"service", "handlers"} == set(ROOMS)
    stray = {module for module in modules() if room_of(module) in PACKAGES} - {
        f"{package}/__init__" for package in PACKAGES
    }
    assert stray == set(OUTSIDE)


def test_a_room_is_small() -> None:
    sizes = {room: [name for name in modules() if room_of(name) == room] for room in ROOMS}
    assert {room for room, names in sizes.items() if len(names) - 1 > MAX_MODULES} == set()


def test_each_room_says_its_row_of_the_table_itself() -> None:
    for room, row in ROOMS.items():
        said = ast.get_docstring(modules()[f"{room}/__init__"]) or ""
        purpose, _, rule = said.partition("\n\n")
        assert purpose.lower() == f"{row.purpose}.".lower(), room
        assert set(re.findall(r"`([a-z_/]+)`", rule)) == set(row.may_import), room


def test_no_import_is_against_the_table() -> None:
    against = []
    for module, imported in all_imports().items():
        room = room_of(module)
        if room in ROOMS and ROOMS[room].may_import_everything:
            continue
        allowed = OUTSIDE[module] if module in OUTSIDE else {room, *_allowed(room)}
        against += [f"{module}: {name}" for name in imported if not is_within(name, allowed)]
    assert against == []


def _allowed(room: str) -> tuple[str, ...]:
    return ROOMS[room].may_import if room in ROOMS else ()


def test_the_table_allows_no_circle_of_rooms() -> None:
    """No room is reached from itself by existing imports."""
    edges: dict[str, set[str]] = {}
    for module, imported in all_imports().items():
        if module not in OUTSIDE:
            edges.setdefault(room_of(module), set()).update(
                place if place in OUTSIDE else room_of(place) for place in imported
            )
    for room, near in edges.items():
        reached, new = set[str](), near - {room}
        while new:
            reached |= new
            new = {far for place in new for far in edges.get(place, ())} - reached
        assert room not in reached, room


def test_no_rule_allows_what_is_not_there() -> None:
    for room, row in ROOMS.items():
        for place in row.may_import:
            assert place in modules() or (ROOT / place).is_dir(), (room, place)


def test_nothing_imports_the_program_but_what_starts_it() -> None:
    importing = {
        module
        for module, imported in all_imports().items()
        if any(is_within(name, {COMPOSITION}) for name in imported)
    }
    outside = {name for name in importing if not is_within(name, {COMPOSITION})}
    assert outside == {"service/__main__"}


def test_the_demo_stands_alone() -> None:
    crossing = [
        f"{module}: {name}"
        for module, imported in all_imports().items()
        for name in imported
        if is_within(module, {"upstream/demo"}) != is_within(name, {"upstream/demo"})
    ]
    assert crossing == []


def test_a_stage_is_pure() -> None:
    allowed = STAGE_LIBRARIES | (sys.stdlib_module_names - IMPURE) | set(PACKAGES)
    strange = [
        f"{module}: {name}"
        for module, tree in modules().items()
        if is_within(module, {"service/stages"})
        for name in imports(tree)
        if name.partition(".")[0] not in allowed or _parents(name) & IMPURE
    ]
    assert strange == []


def _parents(name: str) -> set[str]:
    parts = name.split(".")
    return {".".join(parts[:count]) for count in range(1, len(parts) + 1)}


def named(tree: ast.AST) -> set[str]:
    """Return all that a module imports, and what it uses as `owner.attribute`."""
    uses = {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    return uses.union(imports(tree))


def modules_that_name(owner: str, attribute: str) -> set[str]:
    """Return the modules that import or use it; only those whose text has the word are walked."""
    having = {module for module, source in sources().items() if attribute in source}
    return {module for module in having if f"{owner}.{attribute}" in named(modules()[module])}


def test_the_environment_has_few_readers() -> None:
    reading = modules_that_name("os", "environ") | modules_that_name("os", "getenv")
    assert ENVIRONMENT_READERS >= reading > set()


def test_no_task_is_left_alone() -> None:
    assert modules_that_name("asyncio", "create_task") == set()
