"""Pictures and files in an S3 bucket that several machines share (`storage.blobs: s3://…`).

    save: body -> local disk -> bucket      find: local disk, else bucket -> local disk

The disk of each machine holds what it has made or served, as a cache: so ranges, tags and
conditions are those of files, and nothing is held in memory. Credentials, region and endpoint
are read from the usual `AWS_…` variables.
"""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from service.errors import StorageError
from storage.blob_names import FOLDERS, is_name
from storage.blobs import FileBlobs, StoredBlob
from storage.retention import KeptFile, Swept, due, swept

_log = logging.getLogger("gateway.blobs")
PART_BYTES = 5 * 1024 * 1024  # the smallest that S3 takes; two of them are in memory at once
PARTS_AT_ONCE = 2
READ_BYTES = 1024 * 1024
MAX_DELETED_AT_ONCE = 1000
_NOTHING = "none"  # a folder that is never made: asking for it shows that the bucket answers


class ObjectBlobs:
    """The BlobStore of several machines.

    Args:
        address: `s3://<bucket>/<prefix>`.
        local: the cache of this machine; each has its own.
    """

    def __init__(self, address: str, local: FileBlobs) -> None:
        bucket, _, prefix = address.removeprefix("s3://").partition("/")
        self._local = local
        self._store = S3Store(
            bucket,
            prefix=prefix.strip("/") or None,
            client_options={"allow_http": True, "connect_timeout": "10s", "timeout": "600s"},
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=30)},
        )

    async def save(
        self, folder: str, name: str, media_type: str, chunks: AsyncIterator[bytes]
    ) -> str:
        """Store a body and return its new name; nobody can find half of it.

        Errors of `chunks` go through. What a cancelled save has sent is for the bucket's own
        rule about incomplete uploads.

        Raises:
            StorageError: the disk or the bucket does not take it.
        """
        stored = await self._local.save(folder, name, media_type, chunks)
        path = self._local.path(folder, stored)
        try:
            with _bucket():
                await obstore.put_async(
                    self._store,
                    f"{folder}/{stored}",
                    path,
                    chunk_size=PART_BYTES,
                    max_concurrency=PARTS_AT_ONCE,
                )
        except BaseException:
            with suppress(OSError):
                path.unlink(missing_ok=True)  # what other machines do not have is not stored
            raise
        return stored

    def find(self, folder: str, name: str) -> StoredBlob | None:
        """Return the stored file of this name, or None; blocks while it is fetched.

        Raises:
            StorageError: the bucket or the disk is out of order.
        """
        if not is_name(folder, name):
            return None
        found = self._local.find(folder, name)
        if found is None and self._is_fetched(folder, name):
            found = self._local.find(folder, name)
        return found

    async def problem(self) -> str | None:
        """Return why the bucket or the disk cannot be used now, in one sentence, or None."""
        try:
            with _bucket():
                async for _ in obstore.list(self._store, prefix=_NOTHING):
                    break
        except StorageError:
            return "the bucket of pictures and files cannot be read"
        return await self._local.problem()

    async def sweep(self, keep_days: float, max_bytes: int) -> Swept | None:
        """Remove what is due from the bucket, and from the disk by the same limits.

        Returns what became of the bucket, or None if it is out of order.
        """
        await self._local.sweep(keep_days, max_bytes)
        try:
            with _bucket():
                return await asyncio.to_thread(self._sweep, keep_days, max_bytes)
        except StorageError:
            return None  # the next sweep comes

    def _is_fetched(self, folder: str, name: str) -> bool:
        """Copy an object to the disk; two that do so at once each write a part of their own."""
        with _bucket():
            try:
                got = obstore.get(self._store, f"{folder}/{name}")
            except FileNotFoundError:
                return False
            made_at = got.meta["last_modified"].timestamp()
            with self._local.part(folder, name) as part:
                with part.open("wb") as file:
                    for chunk in got.stream(min_chunk_size=READ_BYTES):
                        file.write(chunk)
                os.utime(part, (made_at, made_at))  # both copies go at the same age
        return True

    def _sweep(self, keep_days: float, max_bytes: int) -> Swept:
        found = list(self._files())
        gone = list(due(found, keep_days, max_bytes, time.time()))
        for start in range(0, len(gone), MAX_DELETED_AT_ONCE):
            paths = [file.key for file in gone[start : start + MAX_DELETED_AT_ONCE]]
            obstore.delete(self._store, paths)
        return swept(found, gone, gone)

    def _files(self) -> Iterator[KeptFile]:
        """List what this class has made; other objects are not ours to remove."""
        for folder in FOLDERS:
            for batch in obstore.list(self._store, prefix=folder):
                for meta in batch:
                    name = meta["path"].removeprefix(f"{folder}/")
                    if is_name(folder, name):
                        changed_at = meta["last_modified"].timestamp()
                        yield KeptFile(meta["path"], changed_at, meta["size"])


@contextmanager
def _bucket() -> Iterator[None]:
    """Translate errors of the bucket and of the disk; their own words are for the log."""
    try:
        yield
    except (BaseError, OSError) as exc:
        _log.warning("the bucket is out of order: %s", str(exc).partition("\n")[0])
        message = f"The store of pictures and files is out of order: {type(exc).__name__}."
        raise StorageError(message) from exc
