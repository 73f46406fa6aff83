"""Lets `time.sleep` work under libfaketime, whose processes have this directory on their path.

From Python 3.11 on it sleeps until a moment of the monotonic clock (`clock_nanosleep`), and
libfaketime 0.9.10 takes that for one of the wall clock: an error, or a sleep without end.
"""

import select
import time


def sleep(seconds: float) -> None:
    """Sleep as `time.sleep` does."""
    select.select((), (), (), seconds)


time.sleep = sleep
