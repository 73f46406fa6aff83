"""Errors of this machine's disk -> what callers are told of them (spec 11)."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from service.errors import StorageError, StorageFullError

# The last is of a file system, or of a process, that takes no file so large.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def on_disk() -> Iterator[None]:
    """Translate errors of the disk, and only those: a body may break with an OSError too.

    Raises:
        StorageFullError: there is no room.
        StorageError: it cannot be written for another reason.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        if error.errno in _FULL:
            message = f"The file could not be stored: this server has no room for it ({reason})."
            raise StorageFullError(message) from error
        message = f"The file could not be stored: {reason}."
        raise StorageError(message) from error
