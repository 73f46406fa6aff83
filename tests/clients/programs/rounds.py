"""Runs a program once for each set of variables, in one process.

To import what the programs use takes most of their time, a fifth of it to look for garbage, which is
left alone here. The first argument is the program; each of the others is the variables of one round,
as JSON.
"""

import gc
import json
import os
import runpy
import sys

if __name__ == "__main__":
    gc.disable()
    program, *rounds = sys.argv[1:]
    for variables in rounds:
        os.environ.update(json.loads(variables))
        sys.modules.pop("asking", None)  # it has the variables of the round before
        print("\nnext round", flush=True)
        runpy.run_path(program, run_name="__main__")
