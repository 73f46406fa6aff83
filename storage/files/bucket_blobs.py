"""Pictures and files of answers in a bucket that several machines share (spec 9).

    save: body -> this machine's disk -> bucket        find: bucket, streamed to the caller

A body is on the disk only until it is in the bucket. So a body that breaks off never starts an
upload, and a failed upload can be repeated. Files that were stored on the disk before the bucket
was configured are still found.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress

from storage.files.blob_names import FOLDERS, is_name
from storage.files.blobs import FileBlobs, StoredBlob, stored_blob
from storage.files.bucket import Bucket
from storage.files.retention import KeptFile, Swept, due, swept


class BucketBlobs:
    """The BlobStore of several machines.

    Args:
        bucket: where the objects are, below `images` and `files`.
        local: this machine's disk, for bodies on their way.
    """

    def __init__(self, bucket: Bucket, local: FileBlobs) -> None:
        self._bucket = bucket
        self._local = local

    async def save(
        self, folder: str, name: str, media_type: str, chunks: AsyncIterator[bytes]
    ) -> str:
        """Store a body and return its new name; readers see all of it or nothing.

        Errors of `chunks` are passed on.

        Raises:
            StorageError: the disk or the bucket does not take it.
        """
        stored = await self._local.save(folder, name, media_type, chunks)
        path = self._local.path(folder, stored)
        try:
            await self._bucket.put(f"{folder}/{stored}", path)
        finally:
            with suppress(OSError):
                path.unlink(missing_ok=True)  # not in a thread: a cancellation would skip it
        return stored

    async def find(self, folder: str, name: str) -> StoredBlob | None:
        """Return the stored file of this name, or None; folder and name are untrusted.

        Raises:
            StorageError: the bucket is out of order.
        """
        if not is_name(folder, name):
            return None
        content = await self._bucket.find(f"{folder}/{name}")
        return stored_blob(name, content) if content else await self._local.find(folder, name)

    async def problem(self) -> str | None:
        """Return one sentence that says why the bucket or the disk cannot be used now, or None."""
        return await self._bucket.problem() or await self._local.problem()

    async def sweep(self, keep_days: float, max_bytes: int) -> Swept:
        """Remove objects past their limits from the bucket; several machines may sweep at once.

        Raises:
            StorageError: the bucket is out of order.
        """
        found = await self._files()
        gone = await asyncio.to_thread(list, due(found, keep_days, max_bytes, time.time()))
        await self._bucket.delete([file.key for file in gone])
        return swept(found, gone, gone)

    async def _files(self) -> list[KeptFile]:
        """List the objects that this class has made; foreign objects are left alone."""
        return [
            file
            for folder in FOLDERS
            for file in await self._bucket.listing(folder)
            if is_name(folder, file.key.removeprefix(f"{folder}/"))
        ]
