"""Writing to this machine's disk, and the errors that callers see (spec 11)."""

import errno
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import aiofiles

from service.vocabulary.errors import StorageError, StorageFullError

# EFBIG: the file system, or a limit of the process, does not allow so large a file.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def on_disk() -> Iterator[None]:
    """Translate errors of the disk. Put nothing else inside: reading a body may raise OSError too.

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


async def write_body(path: Path, chunks: AsyncIterator[bytes]) -> None:
    """Write a body into an existing file, replacing its content.

    Raises:
        StorageError: the disk is full or cannot be written; errors of `chunks` go through.
    """
    with on_disk():
        file = await aiofiles.open(path, "r+b")
    try:
        async for chunk in chunks:
            with on_disk():
                await file.write(chunk)
        with on_disk():
            await file.close()  # writes what is buffered
    finally:
        with suppress(OSError):
            await file.close()
