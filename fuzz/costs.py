"""Checks that work grows no faster than its input, in a way that a busy machine does not disturb.

The time measured is this process's CPU time, so waiting for a CPU does not count. Of several runs
the fastest counts, so other processes' effect on the caches does not count either. Only the ratio
of two sizes is checked.
"""

import gc
import time
from collections.abc import Callable

# Four times the input may take this many times as long: four is linear, sixteen is quadratic.
STEP, MOST = 4, 9.0
ENOUGH_SECONDS = 0.1  # enough to compare
LEAST_SECONDS = 0.02  # below this an input costs too little to matter
TRIES = (1, 3, 6)  # runs per try, of which the fastest counts; a good ratio ends the tries

# Prepares work on an input of so many repeats, and returns what does it.
Work = Callable[[int], Callable[[], object]]


def check_linear(work: Work, most: int) -> None:
    """Double the repeats until the time can be measured, or up to `most`; then compare two sizes.

    Raises:
        AssertionError: the time grows faster than the repeats.
    """
    repeats = 1
    while (taken := _seconds(work(repeats))) < ENOUGH_SECONDS and 2 * repeats <= most:
        repeats *= 2
    if taken < LEAST_SECONDS or repeats < STEP:
        return
    ratios = []
    for tries in TRIES:
        small, large = work(repeats // STEP), work(repeats)
        least = min(_seconds(small) for _ in range(tries))
        ratios.append(min(_seconds(large) for _ in range(tries)) / least)
        if ratios[-1] <= MOST:
            return
    told = ", ".join(f"{ratio:.1f}" for ratio in ratios)
    raise AssertionError(f"{STEP} times the input takes {told} times as long, at {repeats} repeats")


def _seconds(run: Callable[[], object]) -> float:
    gc.collect(0)
    gc.disable()
    try:
        start = time.process_time()
        run()
        return time.process_time() - start
    finally:
        gc.enable()
