"""A bucket that several machines share (`s3://<bucket>/<prefix>`), streamed both ways.

Credentials, region and endpoint are read from the usual `AWS_…` variables.
"""

import logging
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import obstore
from msgspec import Struct
from obstore.exceptions import BaseError
from obstore.store import S3Store
from typing_extensions import override

from service.vocabulary.errors import StorageError
from storage.files.retention import KeptFile

_log = logging.getLogger("gateway.bucket")
PART_BYTES = 5 * 1024 * 1024  # the smallest part that S3 takes
PARTS_AT_ONCE = 1
READ_BYTES = 64 * 1024  # of one chunk; a few chunks wait in memory for a slow caller
_EMPTY_FOLDER = "none"  # never made; listing it shows that the bucket answers


class Bucket:
    """The objects below one prefix; keys are relative to it.

    Args:
        address: `s3://<bucket>/<prefix>`.
    """

    def __init__(self, address: str) -> None:
        name, _, prefix = address.removeprefix("s3://").partition("/")
        self._store = S3Store(
            name,
            prefix=prefix.strip("/") or None,
            client_options={
                "allow_http": True,
                "connect_timeout": "10s",
                "read_timeout": "120s",
                "timeout": "1h",  # for one whole body, whose reader may be slow
            },
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=30)},
        )

    async def put(self, key: str, source: Path | bytes) -> None:
        """Store an object; readers see all of it or nothing. Large files are sent in parts.

        A cancelled call may leave parts behind; the bucket's rule for incomplete uploads removes
        them.

        Raises:
            StorageError: the file cannot be read, or the bucket does not take it.
        """
        with _out_of_order():
            await obstore.put_async(
                self._store, key, source, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE
            )

    async def find(self, key: str) -> "BucketContent | None":
        """Return the object of this key, or None.

        Raises:
            StorageError: the bucket is out of order.
        """
        with _out_of_order():
            try:
                meta = await obstore.head_async(self._store, key)
            except FileNotFoundError:
                return None
        return self.content(key, meta["size"], meta["last_modified"].timestamp())

    def content(self, key: str, size_bytes: int, made_at: float) -> "BucketContent":
        """Return a handle on an object that is known to exist."""
        return BucketContent(self, key, size_bytes, made_at)

    async def read(self, key: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of an object from `start` up to `end`.

        Raises:
            FileNotFoundError: there is none.
            StorageError: the bucket is out of order.
        """
        if start >= end:
            return
        with _out_of_order(FileNotFoundError):
            got = await obstore.get_async(self._store, key, options={"range": (start, end)})
            chunks = aiter(got.stream(min_chunk_size=READ_BYTES))
        while True:
            with _out_of_order(FileNotFoundError):
                chunk = await anext(chunks, None)
            if chunk is None:
                return
            yield bytes(chunk)

    async def read_small(self, key: str) -> bytes | None:
        """Return the bytes of an object small enough for memory, or None if there is none.

        Raises:
            StorageError: the bucket is out of order.
        """
        with _out_of_order():
            try:
                got = await obstore.get_async(self._store, key)
                return bytes(await got.bytes_async())
            except FileNotFoundError:
                return None

    async def listing(self, folder: str) -> list[KeptFile]:
        """Return all objects of a folder, those in its subfolders included.

        Raises:
            StorageError: the bucket is out of order.
        """
        found = []
        with _out_of_order():
            async for batch in obstore.list(self._store, prefix=folder):
                for meta in batch:
                    changed_at = meta["last_modified"].timestamp()
                    found.append(KeptFile(meta["path"], changed_at, meta["size"]))
        return found

    async def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; missing ones are no error.

        Raises:
            StorageError: the bucket is out of order.
        """
        with _out_of_order():
            await obstore.delete_async(self._store, keys)

    async def problem(self) -> str | None:
        """Return one sentence that says why the bucket cannot be used now, or None."""
        try:
            await self.listing(_EMPTY_FOLDER)
        except StorageError:
            return "the bucket of pictures and files cannot be read"
        return None


class BucketContent(Struct, frozen=True):
    """The bytes of one object, a `RemoteContent`; times in seconds since 1970."""

    bucket: Bucket
    key: str
    size_bytes: int
    made_at: float

    def read(self, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Yield the bytes from `start` up to `end`, as `Bucket.read` does."""
        return self.bucket.read(self.key, start, end)

    @override
    def __repr__(self) -> str:
        """Leave out the key: whoever knows it can read the file."""
        return f"BucketContent({self.size_bytes} bytes)"


@contextmanager
def _out_of_order(*passing: type[Exception]) -> Iterator[None]:
    """Turn errors of the bucket into StorageError, except the types in `passing`.

    The bucket's own message goes to the log only.
    """
    try:
        yield
    except passing:
        raise
    except (BaseError, OSError) as error:
        _log.warning("the bucket is out of order: %s", str(error).partition("\n")[0])
        message = f"The store of pictures and files is out of order: {type(error).__name__}."
        raise StorageError(message) from error
