"""The gateway as it is run, which writes down its unfinished tasks when it gets SIGUSR1.

    SOAK_TASKS=file python -m bench.traced_gateway

Tasks are counted here, from outside of the product: they are nothing that its users could act on.
"""

import asyncio
import gc
import os
import runpy
import signal
from pathlib import Path
from types import FrameType


def tell(_number: int, _frame: FrameType | None) -> None:
    """Write the names of the tasks that are not done, one a line."""
    tasks = [one for one in gc.get_objects() if isinstance(one, asyncio.Task) and not one.done()]
    names = sorted(getattr(task.get_coro(), "__qualname__", "?") for task in tasks)
    target = Path(os.environ["SOAK_TASKS"])
    draft = target.with_suffix(".part")
    draft.write_text("\n".join(names), "utf-8")
    draft.replace(target)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, tell)
    runpy.run_module("service", run_name="__main__", alter_sys=True)
