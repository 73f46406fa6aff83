"""Runs programs, each in a process forked from this one, which has imported what most of them use.

To import a client takes most of the time of its program. The arguments are the modules to import.
Each line of standard input is a program to run, as JSON:

    {"program": "…/llm_client.py", "rounds": [{"MODEL": "gpt-4o", …}, …], "folder": "…",
     "environ": {"HOME": "…", …}, "output": "…/output.txt"}

The program runs once for each of the rounds, whose variables are added to those of `environ`. Of
each program two lines are written: the id of its process, which leads a group of its own, and its
exit status.
"""

import gc
import importlib
import json
import os
import runpy
import sys
from typing import Any


def begin(asked: dict[str, Any]) -> None:
    """Become the process of a program: its folder, variables, output and group."""
    os.setsid()
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environ"])
    output = os.open(asked["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, place in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(descriptor, place)


def run(program: str, rounds: list[dict[str, str]]) -> None:
    """Run a program for each of its rounds."""
    sys.argv = [program]
    for variables in rounds:
        os.environ.update(variables)
        sys.modules.pop("asking", None)  # it has the variables of the round before
        print("\nnext round", flush=True)
        runpy.run_path(program, run_name="__main__")


def serve() -> dict[str, Any] | None:
    """Start each program that is asked for; return it in its own process, else nothing at the end."""
    for line in sys.stdin:
        asked = json.loads(line)
        if not (pid := os.fork()):
            begin(asked)
            return asked
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
    return None


if __name__ == "__main__":
    gc.disable()  # to look for garbage takes a tenth of the time
    for name in sys.argv[1:]:
        importlib.import_module(name)
    if asked := serve():
        run(asked["program"], asked["rounds"])
