"""A place in memory for the files of tests.

On a disk, to store a file safely or to remove one takes a millisecond each, and tests write ten
thousand of them.
"""

import os
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")  # noqa: S108 - what is there is thrown away
NEEDED = 2 << 30  # bytes; all tests together write a tenth of it
OF_PYTEST = "PYTEST_DEBUG_TEMPROOT"


def folder_in_memory() -> Path | None:
    """Return a folder of a file system in memory, if it has room and runs programs."""
    if not MEMORY.is_dir():
        return None
    system = os.statvfs(MEMORY)
    is_fit = system.f_bavail * system.f_frsize >= NEEDED and not system.f_flag & os.ST_NOEXEC
    return MEMORY if is_fit else None


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    """Have `tmp_path` there, unless the caller says where it is to be."""
    if folder := folder_in_memory():
        os.environ.setdefault(OF_PYTEST, str(folder))
