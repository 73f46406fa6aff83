"""Programs and libraries that people already use, unmodified, against gateway and demo.

They live in `.venv/clients`, an environment of their own, since they pin older releases of
what the gateway's own tests use. `make test` makes it.
"""

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from tests.conftest import StartGateway
from tests.gateway import ACCESS_TOKEN

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".venv" / "clients" / "bin"
PROGRAMS = Path(__file__).with_name("programs")
NODE = Path(__file__).with_name("node")
SECONDS = 240  # for the slowest to be imported on a machine that is busy

pytestmark = [
    pytest.mark.whole,
    pytest.mark.timeout(SECONDS + 30),
    pytest.mark.skipif(not BIN.is_dir(), reason="the clients are not installed"),
]


async def run(folder: Path, environ: dict[str, str], *command: str | Path) -> None:
    """Run a program of these clients; it fails with what it said."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        cwd=folder,
        env={"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(folder), **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(SECONDS):
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode(errors="replace")


@pytest.fixture
async def environ(demo: str, start_gateway: StartGateway, tmp_path: Path) -> dict[str, str]:
    """What the clients read of the surroundings: where the gateway is, and a key."""
    gateway = await start_gateway(
        demo,
        models={"gpt-4o": "gpt-4o"},
        upstream={"retries": 0},
        stream={"head_seconds": 0.2, "keep_alive_seconds": 0.3, "keep_alive_chunk_seconds": 0.3},
    )
    return {
        "OPENAI_BASE_URL": f"{gateway.url}/v1",
        "OPENAI_API_KEY": ACCESS_TOKEN,
        "LLM_USER_PATH": str(tmp_path / "llm"),
        "LANGSMITH_TRACING": "false",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # it would fetch one otherwise
        "PYTHONWARNINGS": "ignore",
        "LANG": os.environ.get("LANG", "C.UTF-8"),
    }


@pytest.mark.parametrize("name", sorted(path.stem for path in PROGRAMS.glob("*_client.py")))
async def test_a_client_gets_all_it_asks_for(
    name: str, environ: dict[str, str], tmp_path: Path
) -> None:
    await run(tmp_path, environ, BIN / "python", PROGRAMS / f"{name}.py")


@pytest.mark.parametrize("name", ["sdk.mjs", "tools.mjs"])
async def test_the_sdk_for_node_gets_all_it_asks_for(
    name: str, environ: dict[str, str], tmp_path: Path
) -> None:
    shutil.copy(NODE / name, tmp_path)
    (tmp_path / "node_modules").symlink_to(BIN.parent / "node" / "node_modules")
    await run(tmp_path, environ, BIN / "node", name)
