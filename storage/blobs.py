"""Pictures and files on the local disk, under names that nobody can guess (spec 9).

A name is 32 random hexadecimal digits and an extension; nothing that the
upstream or a caller said becomes part of a path. Its extension is all that is
kept about the kind of a file, so it decides the media type when it is served.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from mimetypes import MimeTypes
from pathlib import Path
from secrets import token_hex

import aiofiles
from msgspec import Struct

from service.errors import StorageError

FOLDERS = ("images", "files")
INLINE_EXTENSIONS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
}
YOUNG_SECONDS = 60.0  # a file that was just linked to is not swept away
STALE_SECONDS = 3600.0  # a temporary file this old belongs to nobody: no download takes so long
DAY_SECONDS = 86400.0
_NAME = re.compile(r"[0-9a-f]{32}(\.[a-z0-9]{1,10})?", re.ASCII)
_EXTENSION = re.compile(r"[a-z0-9]{1,10}", re.ASCII)
_PART = ".part"
_OFFICE = "application/vnd.openxmlformats-officedocument."
_MORE_TYPES = {  # what ChatGPT makes and the standard library of Python 3.11 does not know
    "image/webp": ".webp",
    "text/markdown": ".md",
    f"{_OFFICE}wordprocessingml.document": ".docx",
    f"{_OFFICE}spreadsheetml.sheet": ".xlsx",
    f"{_OFFICE}presentationml.presentation": ".pptx",
}


def _media_types() -> MimeTypes:
    types = MimeTypes(filenames=())  # and not the machine's own, which differ
    for media_type, extension in _MORE_TYPES.items():
        types.add_type(media_type, extension)
    return types


_TYPES = _media_types()


class StoredBlob(Struct, frozen=True):
    """A stored file; `is_inline` says that a browser may show it."""

    path: Path
    media_type: str
    is_inline: bool


class Swept(Struct, frozen=True):
    """What a sweep removed."""

    removed_files: int
    removed_bytes: int


class FileBlobs:
    """The BlobStore of one machine, in `images` and `files` below `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def save(
        self, folder: str, name: str, media_type: str, chunks: AsyncIterator[bytes]
    ) -> str:
        """Store a body and return its new name; cancelled, it leaves nothing behind.

        Errors of `chunks` go through, and leave nothing behind either.

        Raises:
            StorageError: the disk is full or cannot be written.
        """
        extension = _extension(name, media_type)
        stem = token_hex(16)
        stored = f"{stem}.{extension}" if extension else stem
        temporary = self._folder(folder) / f".{stem}{_PART}"
        try:
            await _write(temporary, chunks)
            with _disk():  # not in a thread: a rename is quick, and then cannot come too late
                temporary.replace(temporary.with_name(stored))
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        return stored

    def find(self, folder: str, name: str) -> StoredBlob | None:
        """Return the stored file of this name, or None; both come from outside."""
        if folder not in FOLDERS or not _NAME.fullmatch(name):
            return None
        path = self._root / folder / name
        if not path.is_file():
            return None
        media_type = _type_of(name)
        return StoredBlob(path, media_type, media_type in INLINE_EXTENSIONS)

    async def sweep(self, keep_days: float, max_bytes: int) -> Swept:
        """Remove what is older than `keep_days`, then the oldest until `max_bytes` are left.

        Either limit is off when it is 0. No file under a minute old goes.
        """
        return await asyncio.to_thread(self._sweep, keep_days, max_bytes)

    def _folder(self, folder: str) -> Path:
        if folder not in FOLDERS:
            message = f"no such folder: {folder}"
            raise ValueError(message)
        return self._root / folder

    def _sweep(self, keep_days: float, max_bytes: int) -> Swept:
        now = time.time()
        files = sorted(self._files(), key=lambda file: file.changed_at)
        left = sum(file.size_bytes for file in files)
        oldest = now - keep_days * DAY_SECONDS if keep_days else 0.0
        gone: list[int] = []
        for file in files:
            if file.changed_at > now - YOUNG_SECONDS:
                break
            if file.path.name.endswith(_PART):
                is_due = file.changed_at < now - STALE_SECONDS
            else:
                is_due = file.changed_at < oldest or 0 < max_bytes < left
            if is_due and _removed(file.path):
                gone.append(file.size_bytes)
                left -= file.size_bytes
        return Swept(len(gone), sum(gone))

    def _files(self) -> Iterator["_File"]:
        """List what this class has made; other files are not ours to remove."""
        for folder in FOLDERS:
            with suppress(FileNotFoundError):
                for path in (self._root / folder).iterdir():
                    if _NAME.fullmatch(path.name.removeprefix(".").removesuffix(_PART)):
                        with suppress(OSError):
                            status = path.stat()
                            yield _File(path, status.st_mtime, status.st_size)


class _File(Struct, frozen=True):
    path: Path
    changed_at: float
    size_bytes: int


async def _write(path: Path, chunks: AsyncIterator[bytes]) -> None:
    with _disk():
        _make(path)  # not in a thread, which would still make it after a cancellation
        file = await aiofiles.open(path, "r+b")
    try:
        async for chunk in chunks:
            with _disk():
                await file.write(chunk)
        with _disk():
            await file.close()  # which writes what is buffered
    except BaseException:
        with suppress(OSError):
            await file.close()
        raise


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(exist_ok=False)


@contextmanager
def _disk() -> Iterator[None]:
    """Translate errors of the disk, and only those: a body may break with an OSError too."""
    try:
        yield
    except OSError as exc:
        message = f"The file could not be stored: {exc.strerror or type(exc).__name__}."
        raise StorageError(message) from exc


def _removed(path: Path) -> bool:
    try:
        path.unlink()
    except OSError:  # another process swept it
        return False
    return True


def _extension(name: str, media_type: str) -> str:
    """Return the name's extension if it is sane, else the usual one of the media type."""
    media_type = media_type.partition(";")[0].strip().lower()
    given = Path(name).suffix.removeprefix(".").lower()
    if not _EXTENSION.fullmatch(given):
        given = ""
    if media_type in INLINE_EXTENSIONS and _type_of(f"x.{given}") != media_type:
        return INLINE_EXTENSIONS[media_type]
    return given or (_TYPES.guess_extension(media_type) or "").removeprefix(".")


def _type_of(name: str) -> str:
    media_type, encoding = _TYPES.guess_type(name)
    return media_type if media_type and not encoding else "application/octet-stream"
