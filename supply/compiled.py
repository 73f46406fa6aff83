"""Compiles what runs for each event of an answer with mypyc, into files beside the sources.

    python -m supply.compiled [remove]

Python takes the compiled module where there is one, and the source otherwise; both do the same. What
is compiled is older than its source after an edit: then `--version` says so, and it is to be compiled
again or removed. A module that defines records stays as it is: the compiler does not know the options
of a `msgspec.Struct`.

The compiler makes two differences that types do not show. In `[*first(), second()]` it calls both
before it unpacks, so a generator must not be unpacked before what depends on it. And a slice of bytes
that would end before it begins, as `data[3:-2]` of three bytes, is a SystemError and not empty.
"""

import ast
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = (
    "service/pipeline",
    "service/stages",
    "upstream/line",
    "upstream/website/turn/receiving.py",
    "handlers/answering",
)
GROUP = "gateway"  # the library that holds all of it is `gateway__mypyc`
WORK = ".compiled"  # a folder for the C files
# It makes two classes inside a function.
NOT = frozenset({"upstream/line/tapped_session.py"})


def modules(root: Path = ROOT) -> Iterator[Path]:
    """Yield the modules to compile, as paths inside the root."""
    for room in ROOMS:
        place = root / room
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            name = path.relative_to(root)
            if path.stem != "__init__" and str(name) not in NOT and not defines_records(path):
                yield name


def defines_records(path: Path) -> bool:
    """Return True for a source with a class of fields, `class Picture(Struct, frozen=True)`."""
    return any(
        isinstance(node, ast.ClassDef)
        and any(isinstance(base, ast.Name) and base.id == "Struct" for base in node.bases)
        for node in ast.walk(ast.parse(path.read_bytes()))
    )


def build(root: Path = ROOT, optimised: str = "2") -> None:
    """Compile all of it, with the settings of mypy.

    Args:
        root: the folder with the sources.
        optimised: the level of the compiler for C; 0 compiles in a third of the time.

    Raises:
        SystemExit: a source is none that can be compiled, or there is no compiler for C.
    """
    # Both take a second to import; `remove` needs neither.
    from mypyc.build import mypycify  # noqa: PLC0415 - see above
    from setuptools import Distribution  # noqa: PLC0415 - see above

    os.chdir(root)
    remove(root)
    extensions = mypycify(
        ["--config-file", "pyproject.toml", *map(str, modules(root))],
        opt_level=optimised,
        debug_level="0",
        multi_file=True,
        group_name=GROUP,
        target_dir=WORK,
    )
    distribution = Distribution({"name": GROUP, "ext_modules": extensions})
    command = distribution.get_command_obj("build_ext")
    command.inplace = True
    command.parallel = os.cpu_count()
    command.build_temp = command.build_lib = WORK
    command.ensure_finalized()
    command.run()


def remove(root: Path = ROOT) -> None:
    """Remove what was compiled, so that the sources run again."""
    for suffix in EXTENSION_SUFFIXES[:1]:
        for path in [*root.glob(f"{GROUP}__mypyc{suffix}"), *_compiled(root, suffix)]:
            path.unlink()
    shutil.rmtree(root / WORK, ignore_errors=True)


def _compiled(root: Path, suffix: str) -> list[Path]:
    rooms = [root / room for room in ("handlers", "service", "storage", "upstream")]
    return [path for room in rooms for path in room.rglob(f"*{suffix}")]


def main(arguments: Sequence[str]) -> None:
    """Compile, or remove what was compiled."""
    if list(arguments) == ["remove"]:
        remove()
    else:
        build()


if __name__ == "__main__":
    main(sys.argv[1:])
