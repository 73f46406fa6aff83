"""Pictures and files on the local disk (spec 9).

A body is written to a hidden `.part` file and renamed when it is complete, so no reader ever sees
half a file.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from msgspec import Struct

from service.files.disk import on_disk, write_body
from service.vocabulary.byte_source import Content
from storage.files.blob_names import FOLDERS, checked_folder, is_inline, is_name, new_name, type_of
from storage.files.retention import KeptFile, Swept, due, swept

_PART = ".part"
_PROBE = bytes(4096)  # one block, which cannot be written to a full disk


class StoredBlob(Struct, frozen=True):
    """A stored file; `is_inline` says that browsers may show it in place."""

    content: Content
    media_type: str
    is_inline: bool


def stored_blob(name: str, content: Content) -> StoredBlob:
    """Return the record of a stored file; its name gives the media type."""
    media_type = type_of(name)
    return StoredBlob(content, media_type, is_inline(media_type))


class FileBlobs:
    """The BlobStore of one machine, in `images` and `files` below `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def save(
        self, folder: str, name: str, media_type: str, chunks: AsyncIterator[bytes]
    ) -> str:
        """Store a body and return its new name.

        When it is cancelled or `chunks` raises, nothing is left on the disk.

        Raises:
            StorageError: the disk is full or cannot be written.
        """
        stored = new_name(name, media_type)
        stem = stored.partition(".")[0]
        temporary = self._root / checked_folder(folder) / f".{stem}{_PART}"
        try:
            with on_disk():  # not in a thread, which would run on after a cancellation
                _make(temporary)
            await write_body(temporary, chunks)
            with on_disk():  # not in a thread: a rename is quick, and must not come too late
                temporary.replace(temporary.with_name(stored))
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        return stored

    async def find(self, folder: str, name: str) -> StoredBlob | None:
        """Return the stored file of this name, or None; folder and name are untrusted."""
        if not is_name(folder, name):
            return None
        path = self._root / folder / name
        return stored_blob(name, path) if await asyncio.to_thread(path.is_file) else None

    def path(self, folder: str, stored: str) -> Path:
        """Return the path of a file that `save` has stored."""
        return self._root / checked_folder(folder) / stored

    async def problem(self) -> str | None:
        """Return one sentence that says why nothing can be stored now, or None."""
        return await asyncio.to_thread(self._problem)

    async def sweep(self, keep_days: float, max_bytes: int) -> Swept:
        """Remove files older than `keep_days`, then the oldest until at most `max_bytes` are left.

        A limit of 0 is no limit. Files under a minute old always stay.
        """
        return await asyncio.to_thread(self._sweep, keep_days, max_bytes)

    def _problem(self) -> str | None:
        probe = self._root / FOLDERS[0] / f".{token_hex(16)}{_PART}"
        try:
            _make(probe)
            probe.write_bytes(_PROBE)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            return f"the disk of pictures and files cannot be written: {reason}"
        finally:
            with suppress(OSError):
                probe.unlink(missing_ok=True)
        return None

    def _sweep(self, keep_days: float, max_bytes: int) -> Swept:
        found = list(self._files())
        chosen = list(due(found, keep_days, max_bytes, time.time()))
        return swept(found, chosen, [file for file in chosen if _removed(self._root / file.key)])

    def _files(self) -> Iterator[KeptFile]:
        """List the files that this class has made; foreign files are left alone."""
        for folder in FOLDERS:
            with suppress(FileNotFoundError):
                for path in (self._root / folder).iterdir():
                    is_part = path.name.endswith(_PART)
                    if is_name(folder, path.name.removeprefix(".").removesuffix(_PART)):
                        with suppress(OSError):
                            status = path.stat()
                            key = f"{folder}/{path.name}"
                            yield KeptFile(key, status.st_mtime, status.st_size, is_part=is_part)


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(exist_ok=False)


def _removed(path: Path) -> bool:
    try:
        path.unlink()
    except OSError:  # another process swept it
        return False
    return True
