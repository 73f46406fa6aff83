"""Files that callers left here for later requests, on the local disk (openai-wire 9).

    <root>/uploads/<owner>/      pairs of bytes and record, named as in `upload_records.py`
    <root>/uploads/incoming/     bodies that are being received

All workers of a machine see the same files, since nothing is kept in memory.
"""

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from service.files.disk import on_disk
from service.vocabulary.errors import StorageError
from service.vocabulary.requests import LocalFile, Upload, Used
from storage.files.eviction import SharedSpace, evicted
from storage.files.retention import KeptFile, Swept, swept
from storage.files.upload_records import (
    FOLDER,
    RECORD,
    STALE_SECONDS,
    checked_owner,
    decoded,
    is_alive,
    is_id,
    is_owner,
    kept_file,
    new_upload,
    newest_first,
)

LOOK_SECONDS = 10.0  # until files that other processes add are counted
_INCOMING = "incoming"
_PART = ".part"


class FileUploads:
    """The UploadStore of one machine, below `root`."""

    def __init__(self, root: Path) -> None:
        self._folder = root / FOLDER
        self._space = SharedSpace(
            lambda: asyncio.to_thread(self._total),
            lambda: asyncio.to_thread(lambda: list(self._files())),
            lambda gone: asyncio.to_thread(self._forget_all, gone),
            LOOK_SECONDS,
        )

    @property
    def incoming(self) -> Path:
        """The directory in which bodies are received."""
        return self._folder / _INCOMING

    async def keep(self, owner: str, file: LocalFile, purpose: str, keep_seconds: float) -> Upload:
        """Move a received file into the store; its old path is gone afterwards.

        Does not run in a thread: it is quick, and must not happen after the caller's request was
        cancelled.

        Raises:
            StorageError: the disk is full or cannot be written; nothing is left behind.
        """
        upload = new_upload(file, purpose, keep_seconds)
        content = self.content(owner, upload)
        record = _record_of(content)
        draft = record.with_suffix(_PART)
        try:
            with on_disk():
                content.parent.mkdir(parents=True, exist_ok=True)
                draft.write_bytes(msgspec.json.encode(upload))
                file.path.replace(content)
                draft.replace(record)
        except StorageError:
            for path in (draft, content):
                _remove(path)
            raise
        self._space.added(upload.size_bytes)
        return upload

    async def make_room(
        self, owner: str, size_bytes: int, coming_bytes: int, max_bytes: int
    ) -> None:
        """Remove files of the owners who hold most until `size_bytes` more fit; see the port."""
        checked_owner(owner)
        await self._space.make_room(owner, size_bytes, coming_bytes, max_bytes)

    async def find(self, owner: str, upload_id: str) -> Upload | None:
        """Return the owner's file of this id, or None; the id is untrusted."""
        return await asyncio.to_thread(self._find, owner, upload_id)

    def content(self, owner: str, upload: Upload) -> Path:
        """Return the path of a found file."""
        return self._owned(owner) / upload.id

    async def used(self, owner: str) -> Used:
        """Return an owner's number of files and bytes; expired ones count until they are swept."""
        return await asyncio.to_thread(self._used, owner)

    async def listing(self, owner: str) -> list[Upload]:
        """Return all files of an owner, the newest first."""
        return await asyncio.to_thread(self._listing, owner)

    async def delete(self, owner: str, upload_id: str) -> bool:
        """Delete the owner's file of this id; return False if there was none."""
        return await asyncio.to_thread(self._delete, owner, upload_id)

    async def sweep(self, max_bytes: int) -> Swept:
        """Remove expired files, then the oldest of the largest owners, then leftovers of the dead.

        Files go until at most `max_bytes` are left; 0 is no limit. Files under a minute old stay.
        """
        return await asyncio.to_thread(self._sweep, max_bytes)

    def _owned(self, owner: str) -> Path:
        return self._folder / checked_owner(owner)

    def _find(self, owner: str, upload_id: str) -> Upload | None:
        if not is_id(upload_id):
            return None
        upload = _read(_record_of(self._owned(owner) / upload_id))
        return upload if is_alive(upload) else None

    def _used(self, owner: str) -> Used:
        sizes = []
        for path in _entries(self._owned(owner)):
            with suppress(FileNotFoundError):  # it is being deleted
                if is_id(path.name):
                    sizes.append(path.stat().st_size)
        return Used(len(sizes), sum(sizes))

    def _listing(self, owner: str) -> list[Upload]:
        return newest_first(upload for _, upload in _uploads(self._owned(owner)))

    def _delete(self, owner: str, upload_id: str) -> bool:
        is_there = self._find(owner, upload_id) is not None
        return is_there and _forget(self._owned(owner) / upload_id)

    def _sweep(self, max_bytes: int) -> Swept:
        now = time.time()
        found = list(self._files())
        chosen = evicted(found, max_bytes, now)
        gone = self._forget_all(chosen)
        self._sweep_leavings(now - STALE_SECONDS)
        return swept(found, chosen, gone)

    def _forget_all(self, files: Sequence[KeptFile]) -> list[KeptFile]:
        """Remove files; return those that this call removed, not another process."""
        return [file for file in files if _forget(self._folder / file.key)]

    def _total(self) -> int:
        """Return the bytes of all files, without reading any record."""
        total = 0
        for folder in self._owners():
            with suppress(FileNotFoundError), os.scandir(folder) as entries:
                for entry in entries:
                    with suppress(FileNotFoundError):
                        total += entry.stat().st_size if is_id(entry.name) else 0
        return total

    def _files(self) -> Iterator[KeptFile]:
        for folder in self._owners():
            for record, upload in _uploads(folder):
                yield kept_file(f"{folder.name}/{record.stem}", upload)

    def _sweep_leavings(self, before: float) -> None:
        """Remove what a dead process left behind: unfinished bodies and halves of pairs."""
        for folder in (self.incoming, *self._owners()):
            for path in _entries(folder):
                is_whole = path.suffix == RECORD or _record_of(path).exists()
                with suppress(OSError):
                    if not is_whole and path.stat().st_mtime < before:
                        path.unlink()
            if folder != self.incoming:
                with suppress(OSError):  # not empty
                    folder.rmdir()

    def _owners(self) -> list[Path]:
        return [path for path in _entries(self._folder) if is_owner(path.name)]


def _record_of(content: Path) -> Path:
    return content.with_name(content.name + RECORD)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []


def _uploads(folder: Path) -> Iterator[tuple[Path, Upload]]:
    for path in _entries(folder):
        if path.suffix == RECORD and (upload := _read(path)) is not None:
            yield path, upload


def _read(record: Path) -> Upload | None:
    try:
        return decoded(record.read_bytes())
    except FileNotFoundError:
        return None


def _forget(content: Path) -> bool:
    """Remove a file, its record first; return False if another process was quicker."""
    try:
        _record_of(content).unlink()
    except FileNotFoundError:
        return False
    _remove(content)
    return True


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)
