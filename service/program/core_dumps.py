"""Forbids core dumps, because they would contain every token of every caller."""

import resource
import sys
from contextlib import suppress

# On Linux a limit of 0 still lets a program that is named by kernel.core_pattern, such as
# systemd-coredump, have the dump; with a limit of 1 byte the kernel makes none at all.
_LIMIT_BYTES = 1 if sys.platform == "linux" else 0


def forbid_core_dumps() -> None:
    """Forbid core dumps of this process and of those that it starts."""
    # A system may forbid changing limits, as systemd can; then its unit has to set this one.
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (_LIMIT_BYTES, _LIMIT_BYTES))
