"""The files that a dying process leaves behind."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
DIE = "import os; os.abort()"
FORBID = "from service.program.core_dumps import forbid_core_dumps; forbid_core_dumps();"


def died(folder: Path, program: str) -> bool:
    """Run a program that aborts with core dumps permitted; return whether it left one."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)

    def allow() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))

    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        preexec_fn=allow,  # noqa: PLW1509 - no thread of the tests holds a lock here
    )
    _, status = os.waitpid(process.pid, 0)
    process.returncode = -os.WTERMSIG(status)
    assert os.WTERMSIG(status) == signal.SIGABRT
    return os.WCOREDUMP(status)


def test_a_process_that_forbids_it_dumps_no_core(tmp_path: Path) -> None:
    assert not died(tmp_path, FORBID + DIE)
    assert not died(tmp_path, FORBID + f"import subprocess, sys; {DIE}")
    assert list(tmp_path.iterdir()) == []


def test_without_it_one_would_be_dumped(tmp_path: Path) -> None:
    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        pytest.skip("this system forbids core dumps by itself")
    assert died(tmp_path, DIE)


def test_a_system_that_lets_no_limit_be_changed_is_no_reason_not_to_start() -> None:
    program = (
        "import resource; resource.setrlimit = lambda *_: (_ for _ in ()).throw(PermissionError());"
    )
    subprocess.run(
        [sys.executable, "-c", program + FORBID], check=True, env={"PYTHONPATH": str(ROOT)}
    )
