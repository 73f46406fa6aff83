"""How much one owner may leave here: a quarter of the store, so that nobody drives others out.

Retention removes the oldest files, whoever's they are; without a share, one caller who uploads
without an end would remove everybody else's.
"""

from collections.abc import Sequence

from service.chat import Upload
from service.errors import BodySizeError, RequestError
from service.ports import UploadStore

OWNERS_PER_STORE = 4
MAX_FILES = 10_000  # small files cost more than their bytes; as many as a page of the list has
_NAMED_FILES = 3
_MEBIBYTE = 1024 * 1024


class Share:
    """One owner's share of `files.max_store_bytes`."""

    def __init__(self, store: UploadStore, owner: str, store_bytes: int) -> None:
        self._store = store
        self._owner = owner
        self._max_bytes = max(1, store_bytes // OWNERS_PER_STORE)

    async def check(self, size_bytes: int) -> None:
        """Let a file of this size pass, or refuse it; a size below 0 is not known yet.

        Raises:
            BodySizeError: it is larger than the whole share.
            RequestError: there is no room beside the files that are there; names the oldest.
            StorageError: the store is out of order.
        """
        size_bytes = max(0, size_bytes)
        if size_bytes > self._max_bytes:
            message = (
                f"The file is over the {_size(self._max_bytes)} that one key may keep here; "
                "send it with the message that uses it, or send a smaller one."
            )
            raise BodySizeError(message, param="file")
        used = await self._store.used(self._owner)
        if self._has_room(used.files, used.size_bytes + size_bytes):
            return
        uploads = await self._store.listing(self._owner)  # and without those that have expired
        total = sum(upload.size_bytes for upload in uploads)
        if not self._has_room(len(uploads), total + size_bytes):
            raise self._full(uploads, total, size_bytes)

    def _has_room(self, files: int, size_bytes: int) -> bool:
        return files < MAX_FILES and size_bytes <= self._max_bytes

    def _full(self, uploads: Sequence[Upload], total: int, size_bytes: int) -> RequestError:
        oldest = ", ".join(
            f"{upload.id} ({_size(upload.size_bytes)})"
            for upload in uploads[: -_NAMED_FILES - 1 : -1]
        )
        wanted = f" and this one has {_size(size_bytes)}" if size_bytes else ""
        message = (
            f"Your {len(uploads)} files here have {_size(total)}{wanted}; one key may keep "
            f"{_size(self._max_bytes)} in {MAX_FILES} files. Delete some by DELETE /v1/files/{{id}}; "
            f"the oldest: {oldest}."
        )
        return RequestError(message, code="storage_limit_exceeded", param="file")


def _size(size_bytes: int) -> str:
    """Return a size in words; the smaller ones exactly."""
    if size_bytes < _MEBIBYTE:
        return f"{size_bytes} bytes"
    return f"{size_bytes / _MEBIBYTE:.1f} MiB"
