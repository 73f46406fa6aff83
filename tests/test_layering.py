"""The dependency rule of ARCHITECTURE.md, held by reading imports: they point inwards."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("service", "handlers", "upstream", "storage")
ASSEMBLY = "service.app"  # the one module that knows all packages
MAY_IMPORT = {
    "service": {"service"},
    "handlers": {"service", "handlers"},
    "upstream": {"service", "upstream"},
    "storage": {"service", "storage"},
}
STAGE_LIBRARIES = {"msgspec", "orjson", "typing_extensions"}
STAGE_MODULES = ("service.stages.", "service.events", "service.rendered", "service.errors")
STAGE_REFUSALS = ("service.faults", "service.refusals")  # the map of refusals, pure as well
# Of the standard library, what waits, touches the outside, or keeps time.
IMPURE = {
    *("asyncio", "concurrent", "contextvars", "ctypes", "datetime", "ftplib", "glob", "http"),
    *("logging", "mmap", "multiprocessing", "os", "pathlib", "pickle", "queue", "random"),
    *("secrets", "select", "selectors", "shelve", "shutil", "signal", "smtplib", "socket"),
    *("socketserver", "sqlite3", "ssl", "subprocess", "sys", "tempfile", "threading", "time"),
    *("urllib.request", "uuid"),
}
# The last two speak with libraries that know the environment only.
ENVIRONMENT_READERS = {
    *("service.config", "service.environment", "service.shared_metrics", "service.tracing"),
}


def modules() -> dict[str, ast.Module]:
    found = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {_name(path): ast.parse(path.read_text("utf-8"), str(path)) for path in found}


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = modules()


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield the full name of all that is imported, wherever it stands in the module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                yield f"{node.module}.{alias.name}"


def uses(tree: ast.AST, owner: str, attribute: str) -> list[int]:
    """Return the lines that name `owner.attribute`."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr == attribute
        and isinstance(node.value, ast.Name)
        and node.value.id == owner
    ]


def _own(tree: ast.AST) -> list[str]:
    return [name for name in imports(tree) if name.partition(".")[0] in PACKAGES]


@pytest.mark.parametrize("module", [name for name in MODULES if name != ASSEMBLY])
def test_imports_point_inwards(module: str) -> None:
    package = module.partition(".")[0]
    foreign = [
        name
        for name in _own(MODULES[module])
        if name.partition(".")[0] not in MAY_IMPORT[package]
        and not name.startswith("upstream.demo")
    ]
    assert foreign == []


def test_only_the_assembly_knows_all_packages() -> None:
    knowing = {
        module
        for module, tree in MODULES.items()
        if {name.partition(".")[0] for name in _own(tree)} == set(PACKAGES)
    }
    assert knowing == {ASSEMBLY}


def test_nothing_imports_the_assembly_but_what_starts_from_it() -> None:
    importing = {
        module
        for module, tree in MODULES.items()
        if any(name == ASSEMBLY or name.startswith(f"{ASSEMBLY}.") for name in imports(tree))
    }
    assert importing <= {"service.launch", "service.cli"}


def test_the_demo_imports_nothing_from_the_rest() -> None:
    foreign = [
        f"{module}: {name}"
        for module, tree in MODULES.items()
        if module.startswith("upstream.demo")
        for name in _own(tree)
        if not name.startswith("upstream.demo")
    ]
    assert foreign == []


def test_nothing_imports_the_demo() -> None:
    foreign = [
        f"{module}: {name}"
        for module, tree in MODULES.items()
        if not module.startswith("upstream.demo")
        for name in _own(tree)
        if name.startswith("upstream.demo")
    ]
    assert foreign == []


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("service.stages.")])
def test_a_stage_is_pure(module: str) -> None:
    names = set(imports(MODULES[module]))
    impure = {name for name in names if name in IMPURE or _parents(name) & IMPURE}
    allowed = STAGE_LIBRARIES | (sys.stdlib_module_names - IMPURE)
    strange = {
        name
        for name in names
        if name.partition(".")[0] not in allowed
        and not name.startswith(STAGE_MODULES + STAGE_REFUSALS)
    }
    assert impure | strange == set()


def _parents(name: str) -> set[str]:
    parts = name.split(".")
    return {".".join(parts[:count]) for count in range(1, len(parts))}


@pytest.mark.parametrize("module", MODULES)
def test_the_environment_has_few_readers(module: str) -> None:
    if module in ENVIRONMENT_READERS:
        return
    tree = MODULES[module]
    assert uses(tree, "os", "environ") + uses(tree, "os", "getenv") == []
    assert not {"os.environ", "os.getenv"} & set(imports(tree))


@pytest.mark.parametrize("module", MODULES)
def test_no_task_is_left_alone(module: str) -> None:
    assert uses(MODULES[module], "asyncio", "create_task") == []
    assert "asyncio.create_task" not in set(imports(MODULES[module]))
