"""Limits each owner to a quarter of the file store, so that no owner can crowd out the others.

The store as a whole is limited as well: when it is full, the oldest files of the owner who holds
most are removed (`storage/files/eviction.py`).
"""

from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from aiohttp import web

from service.ports import UploadStore
from service.vocabulary.errors import BodySizeError, RequestError
from service.vocabulary.requests import Upload

OWNERS_PER_STORE = 4
MAX_FILES = 10_000  # small files cost more than their bytes; as many as a page of the list has
_NAMED_FILES = 3
_MEBIBYTE = 1024 * 1024


class Shares:
    """The owners' shares of `files.max_store_bytes`, including files still being received.

    Each process knows only the files that it is receiving itself.
    """

    def __init__(self, store_bytes: int) -> None:
        self.store_bytes = store_bytes
        self.max_bytes = max(1, store_bytes // OWNERS_PER_STORE)
        self.held: Counter[str] = Counter()  # bytes by owner

    @asynccontextmanager
    async def room(
        self, store: UploadStore, owner: str, size_bytes: int
    ) -> AsyncGenerator["Room", None]:
        """Hold room for a file while it is received and stored.

        Raises:
            ServiceError: as `Room.take` does.
        """
        room = Room(self, store, owner)
        try:
            await room.take(size_bytes)
            yield room
        finally:
            room.give_back()


class Room:
    """The room that one upload takes of its owner's share."""

    def __init__(self, shares: Shares, store: UploadStore, owner: str) -> None:
        self._shares = shares
        self._store = store
        self._owner = owner
        self._size_bytes = 0

    async def take(self, size_bytes: int) -> None:
        """Hold room for so many bytes, in place of those held before; below 0 the size is unknown.

        Raises:
            BodySizeError: they are more than the whole share.
            RequestError: there is no room beside the owner's files; it names the oldest.
            StorageFullError: the store is full, and this owner would hold the most.
            StorageError: the store is out of order.
        """
        self.give_back()
        size_bytes = max(0, size_bytes)
        if size_bytes > self._shares.max_bytes:
            message = (
                f"The file is over the {_size(self._shares.max_bytes)} that one key may keep here; "
                "send it with the message that uses it, or send a smaller one."
            )
            raise BodySizeError(message, param="file")
        used = await self._store.used(self._owner)
        if not self._is_free(used.files, used.size_bytes, size_bytes):
            uploads = await self._store.listing(self._owner)  # without expired ones
            total = sum(upload.size_bytes for upload in uploads)
            if not self._is_free(len(uploads), total, size_bytes):
                raise self._full(uploads, total, size_bytes)
        self._size_bytes = size_bytes
        held = self._shares.held
        held[self._owner] += size_bytes
        await self._store.make_room(
            self._owner, held[self._owner], held.total(), self._shares.store_bytes
        )

    def give_back(self) -> None:
        """Release the room."""
        held = self._shares.held
        held[self._owner] -= self._size_bytes
        self._size_bytes = 0
        if not held[self._owner]:
            del held[self._owner]

    def _is_free(self, files: int, total: int, size_bytes: int) -> bool:
        left = self._shares.max_bytes - total - self._shares.held[self._owner]
        return files < MAX_FILES and size_bytes <= left

    def _full(self, uploads: Sequence[Upload], total: int, size_bytes: int) -> RequestError:
        oldest = ", ".join(
            f"{upload.id} ({_size(upload.size_bytes)})" for upload in uploads[::-1][:_NAMED_FILES]
        )
        coming = size_bytes + self._shares.held[self._owner]
        wanted = f", and {_size(coming)} more would come" if coming else ""
        message = (
            f"Your {len(uploads)} files here have {_size(total)}{wanted}; one key may keep "
            f"{_size(self._shares.max_bytes)} in {MAX_FILES} files. Delete some by "
            f"DELETE /v1/files/{{id}}" + (f"; the oldest: {oldest}." if oldest else ".")
        )
        return RequestError(message, code="storage_limit_exceeded", param="file")


SHARES = web.AppKey("SHARES", Shares)


def _size(size_bytes: int) -> str:
    """Return a size in words; small ones exactly."""
    if size_bytes < _MEBIBYTE:
        return f"{size_bytes} bytes"
    return f"{size_bytes / _MEBIBYTE:.1f} MiB"
