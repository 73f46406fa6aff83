"""The gateway as it is run, which also lists its unfinished tasks on SIGUSR1.

    SOAK_TASKS=file python -m bench.traced_gateway

The tasks are listed here and not by the product, whose users could do nothing with them.
"""

import asyncio
import gc
import os
import runpy
import signal
from pathlib import Path
from types import FrameType


def write_tasks(_number: int, _frame: FrameType | None) -> None:
    """Write the names of the unfinished tasks, one per line."""
    tasks = [one for one in gc.get_objects() if isinstance(one, asyncio.Task) and not one.done()]
    names = sorted(getattr(task.get_coro(), "__qualname__", "?") for task in tasks)
    target = Path(os.environ["SOAK_TASKS"])
    draft = target.with_suffix(".part")
    draft.write_text("\n".join(names), "utf-8")
    draft.replace(target)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, write_tasks)
    runpy.run_module("service", run_name="__main__", alter_sys=True)
