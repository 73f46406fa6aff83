"""Files that callers left here for later requests, on the local disk (openai-wire 9).

    <root>/uploads/<owner>/file-<24 random characters>         the bytes
    <root>/uploads/<owner>/file-<24 random characters>.json    the record: what makes it exist
    <root>/uploads/incoming/                                   bodies that are being received

Owners and ids are made here; nothing that a caller said becomes part of a path.
All workers of a machine see the same files, since nothing is kept in memory.
"""

import asyncio
import re
import secrets
import string
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from service.chat import LocalFile, Upload
from service.disk import on_disk
from service.errors import StorageError
from storage.retention import Swept

FOLDER = "uploads"
STALE_SECONDS = 3600.0  # a received body this old belongs to nobody: no request takes so long
_ID_CHARS = string.ascii_letters + string.digits
_ID_LENGTH = 24
_ID = re.compile(rf"file-[A-Za-z0-9]{{{_ID_LENGTH}}}", re.ASCII)
_OWNER = re.compile(r"[0-9a-f]{32}", re.ASCII)
_INCOMING = "incoming"
_RECORD = ".json"
_PART = ".part"


class FileUploads:
    """The UploadStore of one machine, below `root`."""

    def __init__(self, root: Path) -> None:
        self._folder = root / FOLDER

    @property
    def incoming(self) -> Path:
        """The directory in which bodies are received."""
        return self._folder / _INCOMING

    def keep(self, owner: str, file: LocalFile, purpose: str, keep_seconds: float) -> Upload:
        """Take a received file over; it is no longer at its old path.

        Not in a thread: this is quick, and then cannot come too late for a caller
        that left.

        Raises:
            StorageError: the disk is full or cannot be written; nothing is left behind.
        """
        now = time.time()
        upload = Upload(
            id="file-" + "".join(secrets.choice(_ID_CHARS) for _ in range(_ID_LENGTH)),
            name=file.name,
            media_type=file.media_type,
            size_bytes=file.size_bytes,
            sha256=file.sha256,
            purpose=purpose,
            created_at=now,
            expires_at=now + keep_seconds,
        )
        content = self._content(owner, upload.id)
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
        return upload

    def find(self, owner: str, upload_id: str) -> Upload | None:
        """Return the owner's file of this id, or None; the id comes from outside."""
        if not _ID.fullmatch(upload_id):
            return None
        upload = _read(_record_of(self._content(owner, upload_id)))
        return upload if upload and upload.expires_at > time.time() else None

    def content(self, owner: str, upload: Upload) -> LocalFile:
        """Return where the bytes of a found file are."""
        return LocalFile(
            path=self._content(owner, upload.id),
            name=upload.name,
            media_type=upload.media_type,
            size_bytes=upload.size_bytes,
            sha256=upload.sha256,
        )

    async def listing(self, owner: str) -> list[Upload]:
        """Return all files of an owner, the newest first."""
        return await asyncio.to_thread(self._listing, owner)

    def delete(self, owner: str, upload_id: str) -> bool:
        """Forget the owner's file of this id; return whether there was one."""
        return self.find(owner, upload_id) is not None and _forget(self._content(owner, upload_id))

    async def sweep(self, max_bytes: int) -> Swept:
        """Remove what has expired, then the oldest until `max_bytes` are left, and leavings.

        The limit is off when it is 0.
        """
        return await asyncio.to_thread(self._sweep, max_bytes)

    def _content(self, owner: str, upload_id: str) -> Path:
        return self._owned(owner) / upload_id

    def _owned(self, owner: str) -> Path:
        if not _OWNER.fullmatch(owner):
            raise ValueError("an owner is 32 hexadecimal digits")
        return self._folder / owner

    def _listing(self, owner: str) -> list[Upload]:
        now = time.time()
        found = [upload for _, upload in _uploads(self._owned(owner))]
        alive = [upload for upload in found if upload.expires_at > now]
        return sorted(alive, key=lambda upload: (upload.created_at, upload.id), reverse=True)

    def _sweep(self, max_bytes: int) -> Swept:
        now = time.time()
        found = [pair for folder in self._owners() for pair in _uploads(folder)]
        found.sort(key=lambda pair: pair[1].created_at)
        left = sum(upload.size_bytes for _, upload in found)
        count, gone = len(found), list[int]()
        for record, upload in found:
            is_due = upload.expires_at <= now or 0 < max_bytes < left
            if is_due and _forget(record.with_suffix("")):
                gone.append(upload.size_bytes)
                left -= upload.size_bytes
        self._sweep_leavings(now - STALE_SECONDS)
        return Swept(len(gone), sum(gone), kept_files=count - len(gone), kept_bytes=left)

    def _sweep_leavings(self, before: float) -> None:
        """Remove what a process that died left behind: bodies and halves of pairs."""
        for folder in (self.incoming, *self._owners()):
            for path in _entries(folder):
                is_whole = path.suffix == _RECORD or _record_of(path).exists()
                with suppress(OSError):
                    if not is_whole and path.stat().st_mtime < before:
                        path.unlink()
            if folder != self.incoming:
                with suppress(OSError):  # not empty
                    folder.rmdir()

    def _owners(self) -> list[Path]:
        return [path for path in _entries(self._folder) if _OWNER.fullmatch(path.name)]


def _record_of(content: Path) -> Path:
    return content.with_name(content.name + _RECORD)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []


def _uploads(folder: Path) -> Iterator[tuple[Path, Upload]]:
    for path in _entries(folder):
        if path.suffix == _RECORD and (upload := _read(path)) is not None:
            yield path, upload


def _read(record: Path) -> Upload | None:
    """Return a record; one that is not there or of another version counts as absent."""
    try:
        return msgspec.json.decode(record.read_bytes(), type=Upload)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def _forget(content: Path) -> bool:
    """Remove a file, first what makes it exist; return whether this call did it."""
    try:
        _record_of(content).unlink()
    except FileNotFoundError:
        return False
    _remove(content)
    return True


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)
