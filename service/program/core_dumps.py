"""No core dumps: they would have every token of every caller in them."""

import resource
import sys
from contextlib import suppress

# On Linux a limit of 0 still lets a program that is named by kernel.core_pattern, such as
# systemd-coredump, have the dump; with a limit of 1 byte the kernel makes none at all.
_LIMIT_BYTES = 1 if sys.platform == "linux" else 0


def forbid_core_dumps() -> None:
    """Let the kernel write no core dump of this process, nor of those that it starts."""
    # A system that forbids limits to be changed, as systemd may, is asked for it in the unit.
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (_LIMIT_BYTES, _LIMIT_BYTES))
