"""Other people's gateways, if there is a copy: BENCH_PEER_DIR names it.

`BENCH_PEER_DIR/bin/litellm` is LiteLLM's proxy in a virtual environment of its own. The stub sends
it the same tokens in OpenAI's format, since that is what it reads.
"""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from bench.load import Target
from bench.processes import START_SECONDS, Contestant, pin

VARIABLE = "BENCH_PEER_DIR"


def peers(upstream: str, cpu: int | None, folder: Path) -> list[AbstractContextManager[Contestant]]:
    """Return the peers that are installed, not yet running."""
    named = os.environ.get(VARIABLE)
    program = Path(named) / "bin" / "litellm" if named else None
    return [_litellm(program, upstream, cpu, folder)] if program and program.exists() else []


@contextmanager
def _litellm(program: Path, upstream: str, cpu: int | None, folder: Path) -> Iterator[Contestant]:
    model = {"model": "openai/gpt-4o", "api_base": f"{upstream}/v1", "api_key": "none"}
    config = folder / "litellm.yaml"
    settings = {"model_list": [{"model_name": "gpt-4o", "litellm_params": model}]}
    config.write_text(json.dumps(settings), "utf-8")  # JSON is YAML
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "litellm.txt").open("wb") as said:
        process = subprocess.Popen(
            [program, "--config", config, "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            env={**os.environ, "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true"},
            stdout=said,
            stderr=said,
            preexec_fn=lambda: pin(cpu),  # noqa: PLW1509 - no thread runs yet in this process
        )
    try:
        _wait_for(port)
        target = Target("127.0.0.1", port, passes_through=False, generation="openai")
        yield Contestant("litellm", process, target)
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    message = f"nothing listens on port {port}"
    raise RuntimeError(message)
