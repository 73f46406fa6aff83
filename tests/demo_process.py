"""The demo upstream as a process of its own, for gateways that are processes too."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.service.program.gateway_process import NO_AUTHORITIES, ROOT, fetch


@contextmanager
def running_demo_process(*arguments: str, before: tuple[str, ...] = ()) -> Iterator[str]:
    """Run the demo without pauses for the block; the value is its address.

    `before` is a command that runs the demo's, for example in another network namespace.
    """
    command = [sys.executable, "-m", "upstream.demo", "--port", "0", "--delay-seconds", "0"]
    with subprocess.Popen(
        [*before, *command, "--exit-with-parent", *arguments],
        cwd=ROOT,
        env={**os.environ, **NO_AUTHORITIES},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().rpartition(" ")[2].strip()
        finally:
            process.kill()


def stats_of(demo: str) -> Any:
    """Return all counters of a demo."""
    return json.loads(fetch(f"{demo}/demo/stats").read())
