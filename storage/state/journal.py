"""Values on their way into the state store, each in a small file on this machine.

A value that must not be lost is written here first and removed once the store has it. So a process
that is killed in between leaves it to the next one, and while the store takes nothing the processes
of one machine still share it. Whoever puts a value has sealed it.

    <folder>/<key>    mode 600, the value as it is
"""

import asyncio
import logging
import os
import re
from contextlib import suppress
from pathlib import Path

_log = logging.getLogger("gateway.journal")
_KEY = re.compile(r"[0-9a-f]{8,64}")


class FileJournal:
    """The files in `folder`, which is created when it is needed; implements `Journal`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, key: str, value: bytes) -> bool:
        """Write a value, replacing any other; return False if the disk does not take it."""
        try:
            await asyncio.to_thread(self._write, self._path(key), value)
        except OSError as error:
            self._warn("written", error)
            return False
        return True

    async def get(self, key: str) -> bytes | None:
        """Return the value, or None if there is none or it cannot be read."""
        try:
            return await asyncio.to_thread(self._path(key).read_bytes)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            self._warn("read", error)
            return None

    async def remove(self, key: str) -> None:
        """Forget the value, if any."""
        try:
            await asyncio.to_thread(self._path(key).unlink)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            self._warn("removed", error)

    async def keys(self) -> list[str]:
        """Return the keys of all values."""
        try:
            names = await asyncio.to_thread(os.listdir, self._folder)
        except OSError:
            return []
        return [name for name in names if _KEY.fullmatch(name)]

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError("a key of the journal is a hash")
        return self._folder / key

    def _write(self, path: Path, value: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(value)
                file.flush()  # from here on it outlives the process,
                os.fsync(descriptor)  # and from here on a crash of the machine
        except OSError:
            with suppress(OSError):
                path.unlink()
            raise

    def _warn(self, what: str, error: OSError) -> None:
        _log.warning("a value in %s cannot be %s: %s", self._folder, what, error.strerror or error)
