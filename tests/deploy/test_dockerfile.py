"""The Dockerfile's steps, followed here: a container's user, its tree read-only, its command."""

import http.client
import importlib.metadata
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.dockerfile import Build, instructions, make_read_only, sent_context
from tests.documents import ROOT

pytestmark = pytest.mark.whole
TEMPORARY = "/tmp"  # noqa: S108 - that of the image
QUESTION = {"model": "gpt-4o", "messages": [{"role": "user", "content": "what is 6*7"}]}


class Container:
    """The image, run as its user with its variables and nothing else.

    Where only root can run Python, it is a root without any of its powers.
    """

    def __init__(self, build: Build, uid: int) -> None:
        self.root = build.root
        self.image = build.image
        self.uid = uid
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.environment = {
            **build.environment,
            "TMPDIR": str(build.root / "tmp"),
            "GATEWAY_SERVER__PORT": str(self.port),
        }
        self.log = build.root / "tmp" / "stderr.txt"
        self.identity = {} if uid == os.geteuid() else {"user": uid, "group": uid}
        self.wrapper = [] if self.identity or not is_root() else without_powers()

    def start(self, command: list[str]) -> subprocess.Popen[bytes]:
        program = shutil.which(command[0], path=self.environment["PATH"])
        assert program is not None
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*self.wrapper, program, *command[1:]],
                cwd=self.root / "app",
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                extra_groups=[] if self.identity else None,
                **self.identity,
            )

    def run(self, *command: str) -> int:
        return self.start(list(command)).wait(60)


def is_root() -> bool:
    return os.geteuid() == 0


def without_powers() -> list[str]:
    """Return what starts a program of root's that may do no more than its files say."""
    program = shutil.which("setpriv")
    assert program is not None, "setpriv is in Debian's util-linux"
    return [program, "--bounding-set=-all", "--inh-caps=-all", "--"]


def may_run_python(uid: int) -> bool:
    """Tell whether another user can run this Python: one below /root he cannot even see."""
    command = [getattr(sys, "_base_executable", sys.executable), "-c", ""]
    try:
        return subprocess.run(command, user=uid, cwd="/", check=False).returncode == 0
    except PermissionError:
        return False


@pytest.fixture(scope="module")
def container() -> Iterator[Container]:
    uid = 10001 if is_root() and may_run_python(10001) else os.geteuid()
    # Not below pytest's own directory, which other users may not enter.
    target = Path(tempfile.mkdtemp(prefix="image-"))
    try:
        target.chmod(0o755)
        build = Build(ROOT, target, uid)
        (build.root / "tmp").mkdir(mode=0o777)
        (build.root / "tmp").chmod(0o777)
        made = Container(build, uid)
        made.log.touch(0o666)
        made.log.chmod(0o666)
        make_read_only(build.root, [*build.image.volumes, TEMPORARY])
        yield made
    finally:
        for folder, _, _ in () if is_root() else os.walk(target):
            Path(folder).chmod(0o755)
        shutil.rmtree(target, ignore_errors=True)


@pytest.fixture(scope="module")
def running(container: Container) -> Iterator[subprocess.Popen[bytes]]:
    process = container.start(container.image.entrypoint)
    try:
        end = time.monotonic() + 120
        while True:
            assert process.poll() is None, container.log.read_text()
            assert time.monotonic() < end, container.log.read_text()
            try:
                socket.create_connection(("127.0.0.1", container.port)).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.1)
        yield process
    finally:
        process.kill()
        process.wait()


def test_only_what_dockerignore_lets_through_is_sent(tmp_path: Path) -> None:
    sent_context(ROOT, tmp_path)
    sent = {path.name for path in tmp_path.iterdir()}
    assert sent == {
        *("handlers", "service", "storage", "upstream"),
        *("config.yaml", "gpts.yaml", "requirements.txt", "requirements-uv.txt"),
    }
    assert not list(tmp_path.rglob("__pycache__"))
    assert (tmp_path / "handlers" / "console" / "static" / "index.html").is_file()


def test_continued_lines_are_one_instruction() -> None:
    text = "# a comment\nRUN one \\\n    two\n\nUSER x\n"
    assert list(instructions(text)) == [("RUN", "one      two"), ("USER", "x")]


def test_the_image_has_the_program_and_neither_tests_nor_tools(container: Container) -> None:
    names = {path.name for path in (container.root / "app").iterdir()}
    assert {"handlers", "service", "storage", "upstream", "config.yaml", "gpts.yaml"} <= names
    assert names & {"tests", "bench", "deploy", ".git", "requirements-dev.txt"} == set()
    (library,) = (container.root / "opt" / "venv" / "lib").glob("python*/site-packages")
    assert (library / "aiohttp").is_dir()
    assert not (library / "pytest").exists()


def test_the_image_has_the_packages_of_the_bill_and_no_others(container: Container) -> None:
    (library,) = (container.root / "opt" / "venv" / "lib").glob("python*/site-packages")
    bill = json.loads((ROOT / "docs" / "sbom.json").read_bytes())
    billed = {(_canonical(one["name"]), one["version"]) for one in bill["components"]}
    found = {
        (_canonical(one.metadata["Name"]), one.version)
        for one in importlib.metadata.distributions(path=[str(library)])
    }
    # What venv itself brings, and what only Pythons before 3.11.3 need.
    beside = {name for name, _ in found ^ billed}
    assert beside <= {"pip", "setuptools", "async-timeout"}


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_its_user_can_write_to_the_volumes_only(container: Container) -> None:
    write = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text('x')"
    for volume in container.image.volumes:
        place = str(container.root / volume.strip("/") / "probe")
        assert container.run("python", "-c", write, place) == 0, container.log.read_text()
    for place in ("app/probe", "app/service/cli.py", "opt/probe", "probe"):
        refused = container.run("python", "-c", write, str(container.root / place))
        assert refused != 0, place


def test_it_answers_a_request_by_the_built_in_demo(
    container: Container, running: subprocess.Popen[bytes]
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", container.port, timeout=60)
    headers = {"Authorization": "Bearer demo", "Content-Type": "application/json"}
    connection.request("POST", "/v1/chat/completions", json.dumps(QUESTION), headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    assert response.status == 200, body + container.log.read_bytes()
    assert "6*7=42" in json.loads(body)["choices"][0]["message"]["content"]
    assert running.poll() is None


def test_its_health_check_succeeds_while_it_runs_and_fails_afterwards(
    container: Container, running: subprocess.Popen[bytes]
) -> None:
    assert container.run(*container.image.health_check) == 0, container.log.read_text()
    running.send_signal(signal.SIGTERM)
    assert running.wait(60) == 0, container.log.read_text()
    assert container.run(*container.image.health_check) != 0
    assert list((container.root / "app" / "data").iterdir())
