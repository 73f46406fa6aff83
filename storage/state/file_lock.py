"""Locks between the processes of one machine, as files that the kernel holds locked.

A row of the state file would be the obvious lock, and has two faults. While another program writes
to that file, no lock can be taken, prolonged or released, and a moment later two processes hold it.
And a row expires at a time of day, which can be set. The kernel's lock on a file (`flock`) is freed
the moment its process is gone, however it ended, and depends on no clock.

While a lock is held it has a file of its own: `<folder>/<hash of the name>`, mode 600, empty.
Releasing removes the file first. Whoever gets a lock therefore checks that its file is still the
one under that name; else it holds the lock of a file that is gone.
"""

import asyncio
import fcntl
import hashlib
import os
from contextlib import suppress
from pathlib import Path

from service.vocabulary.errors import StorageError


class FileLock:
    """The lock of one name; see `storage.state.store.SharedLock`.

    Args:
        folder: for the files of all locks; made when it is needed.
        name: of the lock.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / hashlib.sha256(name.encode()).hexdigest()[:32]
        self._trying: asyncio.Future[None] | None = None
        self._descriptor: int | None = None

    async def attempt(self) -> bool:
        """Try once to take the lock; return whether this process now holds it.

        Raises:
            StorageError: the file cannot be created or locked.
        """
        if self._trying is None or self._trying.done():  # else the disk still hangs on the last try
            self._trying = asyncio.get_running_loop().run_in_executor(None, self._take)
        try:
            await asyncio.shield(self._trying)
        except OSError as exc:
            message = f"The lock {self._path} cannot be taken: {exc.strerror or exc}"
            raise StorageError(message) from exc
        return self._descriptor is not None

    async def prolong(self) -> bool:
        """Return True: the kernel keeps the lock for as long as the process lives."""
        return True

    async def release(self) -> None:
        """Release the lock, also when `attempt` was cancelled while it took it."""
        if self._trying is not None:
            with suppress(OSError):
                await self._trying
        await asyncio.to_thread(self._free)

    def _take(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self._is_current(descriptor):
                self._descriptor, descriptor = descriptor, -1
        except BlockingIOError:
            return
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    def _is_current(self, descriptor: int) -> bool:
        mine = os.fstat(descriptor)
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return False
        return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)

    def _free(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        with suppress(OSError):
            self._path.unlink()
        os.close(descriptor)
