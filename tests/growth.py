"""How a function's CPU time grows with its input; CPU time does not count other processes."""

import time
from collections.abc import Callable

FACTOR = 4
MOST = 2.5 * FACTOR  # quadratic work grows by FACTOR squared


def growth(work: Callable[[int], object], size: int, runs: int = 3) -> float:
    """Return the cost of an input of `FACTOR * size` relative to `size`: about FACTOR if linear."""
    return _cost(work, FACTOR * size, runs) / max(_cost(work, size, runs), 1e-5)


def _cost(work: Callable[[int], object], size: int, runs: int) -> float:
    costs = []
    for _ in range(runs):
        began = time.thread_time()
        work(size)
        costs.append(time.thread_time() - began)
    return min(costs)
