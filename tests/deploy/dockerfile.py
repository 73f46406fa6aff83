"""The Dockerfile, read, and followed step by step without an engine.

Each stage is a directory of its own; where a command names a path of the image, it gets
that of the directory. Users are not made: what is done as one is done with its number.
"""

import functools
import importlib.metadata
import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

# What a command may name: other absolute paths, such as of a shell, are those of this machine.
_OF_IMAGE = re.compile(r"(?<![\w./-])/(app|opt)\b")
_NO_NETWORK = re.compile(
    r"Failed to establish a new connection|Name or service not known|name resolution"
    r"|Network is unreachable|timed out|dns error|tcp connect error"
)
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass
class Stage:
    """One stage; `steps` are those that do something while the image is built."""

    name: str
    steps: list[tuple[str, str]] = field(default_factory=list)
    workdir: str = "/"


@dataclass
class Image:
    """What the file says of the image, and the stages that lead to it."""

    stages: list[Stage] = field(default_factory=list)
    uid: int = 0
    user: str = "root"
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": SYSTEM_PATH})
    volumes: list[str] = field(default_factory=list)
    entrypoint: list[str] = field(default_factory=list)
    health_check: list[str] = field(default_factory=list)


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Yield each instruction and its argument, with continued lines joined."""
    joined = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    for line in joined.splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            yield word.upper(), rest.strip()


def read_dockerfile(folder: Path) -> Image:
    """Return what the Dockerfile of a folder says.

    Raises:
        ValueError: an instruction that is not known here.
    """
    image = Image()
    for word, rest in instructions((folder / "Dockerfile").read_text()):
        if not (_is_of_stage(image, word, rest) or _is_of_container(image, word, rest)):
            message = f"{word} is not followed here"
            raise ValueError(message)
    made = re.search(rf"useradd --uid (\d+) .*{image.user}", str(image.stages[-1].steps))
    assert made, "the image does not make its user"
    image.uid = int(made[1])
    return image


def _is_of_stage(image: Image, word: str, rest: str) -> bool:
    """Take what is about a stage; tell whether it was."""
    match word:
        case "FROM":
            image.stages.append(Stage(rest.partition(" AS ")[2] or "final"))
            image.environment = {"PATH": SYSTEM_PATH}
        case "WORKDIR":
            image.stages[-1].workdir = rest
        case "RUN" | "COPY":
            image.stages[-1].steps.append((word, rest))
        case _:
            return False
    return True


def _is_of_container(image: Image, word: str, rest: str) -> bool:
    """Take what is about a container; tell whether it was."""
    match word:
        case "ENV":
            pairs = (pair.partition("=") for pair in shlex.split(rest))
            image.environment |= {
                name: value.replace("$PATH", SYSTEM_PATH) for name, _, value in pairs
            }
        case "USER":
            image.user = rest
        case "VOLUME":
            image.volumes += json.loads(rest)
        case "ENTRYPOINT":
            image.entrypoint = json.loads(rest)
        case "HEALTHCHECK":
            image.health_check = json.loads(rest.partition("CMD ")[2])
        case _:
            return word in ("EXPOSE", "STOPSIGNAL")
    return True


def sent_context(folder: Path, target: Path) -> None:
    """Copy what `.dockerignore` lets through to an engine."""
    rules = [
        (line.startswith("!"), _pattern(line.removeprefix("!").strip("/")))
        for line in (folder / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]

    def is_sent(path: Path) -> bool:
        names = [path, *path.parents][:-1]
        decisions = [is_let for is_let, rule in rules if any(rule.fullmatch(str(n)) for n in names)]
        return decisions[-1] if decisions else True

    tracked = subprocess.run(
        ["git", "ls-files", "-co"], cwd=folder, capture_output=True, check=False
    )
    for name in tracked.stdout.decode().splitlines() or _all_files(folder):
        if is_sent(Path(name)) and (folder / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, target / name)


def _all_files(folder: Path) -> list[str]:
    """List the files of a copy without git; what is hidden is none of the image's."""
    return [
        str(path.relative_to(folder))
        for top in folder.iterdir()
        if not top.name.startswith(".")
        for path in (top.rglob("*") if top.is_dir() else [top])
    ]


def _pattern(text: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/|\*)", text)
    return re.compile(
        "".join({"**/": "(?:.*/)?", "*": "[^/]*"}.get(p, re.escape(p)) for p in parts)
    )


class Build:
    """An image that is built in directories.

    Args:
        source: the folder of the Dockerfile.
        target: an empty one; `root` is the finished image's.
        uid: whom its files belong to where the image says its user.
    """

    def __init__(self, source: Path, target: Path, uid: int) -> None:
        self.image = read_dockerfile(source)
        self._target = target
        self._uid = uid
        self._context = target / "context"
        self._context.mkdir()
        sent_context(source, self._context)
        for stage in self.image.stages:
            self._follow(stage)
        self.root = target / self.image.stages[-1].name

    def inside(self, text: str, stage: str = "final") -> str:
        """Return a text with the image's paths as they are here."""
        return _OF_IMAGE.sub(lambda found: f"{self._target / stage}{found[0]}", text)

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables of a container, and no others."""
        return {
            name: self.inside(value.replace(":", " ")).replace(" ", ":")
            for name, value in self.image.environment.items()
        }

    def _follow(self, stage: Stage) -> None:
        root = self._target / stage.name
        workdir = root / stage.workdir.strip("/")
        workdir.mkdir(parents=True)
        for word, rest in stage.steps:
            if word == "RUN":
                self._run(rest, stage.name, workdir)
            else:
                self._copy(rest, root, workdir)

    def _copy(self, rest: str, root: Path, workdir: Path) -> None:
        words = rest.split()
        source = self._context
        if words[0].startswith("--from="):
            source = self._target / words.pop(0).removeprefix("--from=")
        *names, to = words
        target = root / to.strip("/") if to.startswith("/") else workdir / to
        for name in names:
            found = source / name.strip("/")
            if found.is_dir():
                shutil.copytree(found, target, symlinks=True, dirs_exist_ok=True)
            else:
                target.mkdir(parents=True, exist_ok=True)
                shutil.copy2(found, target)

    def _run(self, rest: str, stage: str, workdir: Path) -> None:
        """Run the commands of a step; `useradd` would be about this machine."""
        for command in rest.split("&&"):
            if command.split()[0] == "useradd":
                continue
            # The cache of this machine saves the downloads; an image has no use for one.
            mapped = self.inside(re.sub(r"--no-cache(-dir)?\b", "", command), stage)
            mapped = re.sub(rf"(-[og]) {self.image.user}\b", rf"\1 {self._uid}", mapped)
            words = shlex.split(mapped)
            if words[0] == "python":
                words[0] = getattr(sys, "_base_executable", sys.executable)
            environ = {**os.environ, **_mirror()}
            done = subprocess.run(
                words, cwd=workdir, env=environ, capture_output=True, text=True, check=False
            )
            if done.returncode and "pip" in words and _NO_NETWORK.search(done.stderr + done.stdout):
                _install_from_here(words, workdir)
            elif done.returncode:
                message = f"{command}: {done.stdout}{done.stderr}"
                raise AssertionError(message)


@functools.cache
def _mirror() -> dict[str, str]:
    """Return what tells uv of the mirror that pip's settings name, as the Makefile does."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    found = re.search(r"^(?::env:|global|install)\.index-url='(.*)'$", told, re.MULTILINE)
    return {"UV_DEFAULT_INDEX": found[1]} if found and "UV_DEFAULT_INDEX" not in os.environ else {}


def _install_from_here(words: list[str], workdir: Path) -> None:
    """Without a network, do as the command of pip or uv does, with copies of what is here."""
    given = dict(itertools.pairwise(words))
    if "--target" in given:
        Path(given["--target"], "bin").mkdir(parents=True)
        shutil.copy2(Path(sys.prefix, "bin", "uv"), Path(given["--target"], "bin", "uv"))
        return
    (library,) = Path(given["--python"]).parents[1].glob("lib/python*/site-packages")
    requirements = workdir / given["-r"]
    for name in re.findall(r"^([\w.-]+)==", requirements.read_text(), re.MULTILINE):
        try:
            files = importlib.metadata.distribution(name).files or []
        except importlib.metadata.PackageNotFoundError:
            continue  # it is for other systems
        for file in files:
            if ".." not in file.parts and Path(str(file.locate())).is_file():
                (library / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file.locate(), library / file)


def make_read_only(root: Path, but: list[str]) -> None:
    """Take all rights to write from a tree, except from some directories of it."""
    open_ones = {root / path.strip("/") for path in but}
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        folders[:] = [name for name in folders if here / name not in open_ones]
        for path in (here, *(here / name for name in files)):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & 0o555 | (0o444 if path.is_file() else 0o555))
