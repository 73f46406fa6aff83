"""Whether work grows no faster than its input, told in a way that a busy machine does not disturb.

Time is that of this process on a processor, so waiting for one does not count; the least of
several runs counts, so what others do to its caches does not either; and only the ratio of two
sizes is looked at.
"""

import gc
import time
from collections.abc import Callable

# Four times the input may take up to this much more time: at four it is linear, at sixteen its square.
STEP, MOST = 4, 9.0
ENOUGH_SECONDS = 0.1  # at which there is something to compare
LEAST_SECONDS = 0.02  # under which a whole input costs too little to matter
TRIES = (1, 3, 6)  # runs of which the least counts, until the ratio is a good one

# Prepares work on an input of so many repeats, and returns what does it.
Work = Callable[[int], Callable[[], object]]


def check_linear(work: Work, most: int) -> None:
    """Double the repeats until there is something to measure, or there are `most`; compare.

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
