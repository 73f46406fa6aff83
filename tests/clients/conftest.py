"""A gateway that clients of others are run against, with nothing else in their reach."""

import json
import os
import select
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.clients.clients import HERE, INSTALLED, NODE_BIN, Account, Client, passed
from tests.clients.loopback import Network, network
from tests.demo_process import running_demo_process
from tests.service.program.gateway_process import GatewayProcess

SECONDS = 240  # for the slowest on a machine that is busy
SETTINGS = """
models: {{gpt-4o: gpt-4o, gpt-5.5: gpt-4o}}
server: {{host: 127.0.0.1, port: 0}}
upstream: {{base_url: "{demo}", retries: 0}}
tokens: {{oaifree_url: "{demo}/api/auth/refresh", codex_url: "{demo}/oauth/token"}}
codex: {{base_url: "{demo}/backend-api/codex", models: {{gpt-5.5: gpt-5.5}}}}
stream: {{head_seconds: 0.2, keep_alive_seconds: 0.3, keep_alive_chunk_seconds: 0.3}}
"""
# What these programs would send elsewhere, or look for there, without being asked to.
QUIET = {
    "DO_NOT_TRACK": "1",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
    "LANGSMITH_TRACING": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
    "OPENCODE_DISABLE_SHARE": "1",
}


class Nursery:
    """A process from which the programs of an environment are forked: `programs/rounds.py`."""

    def __init__(self, command: Sequence[str | Path], environ: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            command, bufsize=0, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def run(self, program: Path, rounds: list[dict[str, str]], folder: Path, **environ: str) -> str:
        """Run a program in a folder for each of the rounds, and return what it says.

        Raises:
            AssertionError: its status is not 0, or it does not end in time.
        """
        output = folder / "output.txt"
        asked: dict[str, Any] = {"program": str(program), "rounds": rounds, "folder": str(folder)}
        writing, reading = self._process.stdin, self._process.stdout
        assert writing is not None
        assert reading is not None
        asked |= {"environ": environ, "output": str(output)}
        writing.write(json.dumps(asked).encode() + b"\n")
        group = int(reading.readline())
        try:
            is_over, _, _ = select.select([reading], [], [], SECONDS)
        finally:
            with suppress(ProcessLookupError):  # what it started goes with it
                os.killpg(group, signal.SIGKILL)
        status = reading.readline().strip()
        said = output.read_text("utf-8", errors="replace")
        assert is_over, f"no end after {SECONDS} seconds: {said}"
        assert status == b"0", said
        return said


class Place:
    """A gateway and the demo behind it, in a network of their own."""

    def __init__(self, folder: Path, demo: str, network: Network) -> None:
        (folder / "config.yaml").write_text(SETTINGS.format(demo=demo), "utf-8")
        self.network = network
        command = ("-m", "service", "--config", "config.yaml")
        self._gateway = GatewayProcess(folder, *command, before=network.entering)
        self._folder = folder
        self._nurseries: dict[tuple[Path, tuple[str, ...]], Nursery] = {}

    def close(self) -> None:
        for nursery in self._nurseries.values():
            nursery.close()
        self._gateway.close()

    def nursery(self, client: Client) -> Nursery:
        """Return where the programs of a client in Python are run."""
        key = client.python, client.imported
        if key not in self._nurseries:
            rounds = HERE / "programs" / "rounds.py"
            command = (*self.network.entering, client.python, rounds, *client.imported)
            self._nurseries[key] = Nursery(command, self.environ(self._folder))
        return self._nurseries[key]

    @property
    def address(self) -> str:
        return self._gateway.address()

    def environ(self, folder: Path) -> dict[str, str]:
        """The surroundings of a program that keeps all that it keeps in a folder."""
        return {
            **QUIET,
            "PATH": f"{NODE_BIN}:{INSTALLED / 'sdk2' / 'bin'}:/usr/bin:/bin",
            "HOME": str(folder),
            "LANG": os.environ.get("LANG", "C.UTF-8"),
            "PYTHONWARNINGS": "ignore",
            "CODEX_HOME": str(folder / "codex"),
            "DSPY_CACHEDIR": str(folder / "dspy"),
            "LLM_USER_PATH": str(folder / "llm"),
        }

    def passed(
        self, client: Client, folder: Path, *accounts: Account
    ) -> list[set[tuple[str, str]]]:
        """Run the programs of a client in a folder of theirs; return what passed on each account.

        Raises:
            AssertionError: one of them failed, or tried to reach something beyond loopback.
        """
        for path in (HERE / "node").glob("*.mjs"):
            (folder / path.name).write_bytes(path.read_bytes())
        (folder / "node_modules").symlink_to(NODE_BIN.parent)
        environ = {**self.environ(folder), "OPENAI_BASE_URL": f"{self.address}/v1"}
        before = self.network.strayed
        found: list[set[tuple[str, str]]] = [set() for _ in accounts]
        for program in client.programs:
            if program.endswith(".mjs"):
                command = (INSTALLED / "sdk2" / "bin" / "node", Path(program))
                rounds = [self.run(command, folder, environ | one.variables) for one in accounts]
            else:
                path, variables = HERE / "programs" / program, [one.variables for one in accounts]
                said = self.nursery(client).run(path, variables, folder, **environ)
                _, *rounds = said.split("\nnext round\n")
            for pairs, said in zip(found, rounds, strict=True):
                pairs.update(passed(said))
        assert self.network.strayed == before, "it tried to reach something beyond loopback"
        return found

    def run(self, command: Sequence[str | Path], folder: Path, environ: dict[str, str]) -> str:
        """Run a command in a folder, and return what it says.

        Raises:
            AssertionError: its status is not 0.
        """
        output = folder / "output.txt"
        with output.open("w+b") as file:
            process = subprocess.Popen(
                [*self.network.entering, *command],
                cwd=folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                status = process.wait(SECONDS)
            finally:
                with suppress(ProcessLookupError):  # what it started goes with it
                    os.killpg(process.pid, signal.SIGKILL)
        said = output.read_text("utf-8", errors="replace")
        assert status == 0, said
        return said


@contextmanager
def placed(folder: Path, *options: str) -> Iterator[Place]:
    """Run a gateway in a folder, before a demo with these options, for the time of the block."""
    with network() as apart, running_demo_process(*options, before=apart.entering) as demo:
        made = Place(folder, demo, apart)
        yield made
        made.close()


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One gateway for all clients that a process of the tests runs, one after the other.

    The demo pauses between the pieces of an answer, as the back ends do.
    """
    with placed(tmp_path_factory.mktemp("gateway"), "--delay-seconds", "0.005") as made:
        yield made
