"""How much memory the gateway needs before it has served anybody, and how long it takes to start."""

import time
from pathlib import Path

from bench.goals import REST, REST_WORKER, START
from bench.processes import gateway

STARTS = 3
SETTLE_SECONDS = 2.0  # until what a start has begun is done
_MEBIBYTE = 1024 * 1024


def at_rest(upstream: str, folder: Path) -> dict[str, float]:
    """Return the MiB of an idle process and of each further worker, and the seconds of a start."""
    pss: dict[int, float] = {}
    starts: list[float] = []
    for workers in (*[1] * STARTS, 2, 3):
        began = time.perf_counter()
        with gateway(upstream, folder, None, workers) as running:
            starts.append(time.perf_counter() - began)
            time.sleep(SETTLE_SECONDS)
            pss[workers] = running.proportional_bytes() / _MEBIBYTE
    return {REST: pss[1], REST_WORKER: pss[3] - pss[2], START: min(starts[:STARTS])}
