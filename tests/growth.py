"""How the work of a function grows with its input, in CPU time, which others on the machine do not add to."""

import time
from collections.abc import Callable

FACTOR = 4
MOST = 2.5 * FACTOR  # quadratic work grows by FACTOR squared


def growth(work: Callable[[int], object], size: int, runs: int = 3) -> float:
    """How much more an input of `FACTOR * size` costs than one of `size`: about FACTOR if linear."""
    return _cost(work, FACTOR * size, runs) / max(_cost(work, size, runs), 1e-5)


def _cost(work: Callable[[int], object], size: int, runs: int) -> float:
    costs = []
    for _ in range(runs):
        began = time.thread_time()
        work(size)
        costs.append(time.thread_time() - began)
    return min(costs)
