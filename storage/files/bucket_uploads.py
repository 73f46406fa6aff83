"""Files that callers left here for later requests, in a bucket that machines share.

Bytes and records have the same names as on a disk (`upload_records.py`). All machines see the same
files, since nothing is kept in memory or on their disks.
"""

import asyncio
import time
from collections.abc import Collection, Sequence
from pathlib import Path

import msgspec

from service.vocabulary.requests import LocalFile, Upload, Used
from storage.files.bucket import Bucket, BucketContent
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

READS_AT_ONCE = 16
LOOK_SECONDS = 60.0  # until files that other machines add are counted


class BucketUploads:
    """The UploadStore of several machines.

    Args:
        bucket: where the objects are, below `uploads`.
        incoming: the directory of this machine in which bodies are received.
    """

    def __init__(self, bucket: Bucket, incoming: Path) -> None:
        self._bucket = bucket
        self._incoming = incoming
        self._space = SharedSpace(self._total, self._files, self._forget_all, LOOK_SECONDS)

    @property
    def incoming(self) -> Path:
        """The directory in which bodies are received."""
        return self._incoming

    async def keep(self, owner: str, file: LocalFile, purpose: str, keep_seconds: float) -> Upload:
        """Copy a received file to the bucket; it exists once its record is there.

        Raises:
            StorageError: the bucket does not take it. A sweep removes bytes without a record.
        """
        upload = new_upload(file, purpose, keep_seconds)
        key = _key(owner, upload.id)
        await self._bucket.put(key, file.path)
        await self._bucket.put(key + RECORD, msgspec.json.encode(upload))
        self._space.added(upload.size_bytes)
        return upload

    async def make_room(
        self, owner: str, size_bytes: int, coming_bytes: int, max_bytes: int
    ) -> None:
        """Remove files of the owners who hold most until `size_bytes` more fit; see the port."""
        checked_owner(owner)
        await self._space.make_room(owner, size_bytes, coming_bytes, max_bytes)

    async def find(self, owner: str, upload_id: str) -> Upload | None:
        """Return the owner's file of this id, or None; the id is untrusted.

        Raises:
            StorageError: the bucket is out of order.
        """
        if not is_id(upload_id):
            return None
        upload = decoded(await self._bucket.read_small(_key(owner, upload_id) + RECORD))
        return upload if is_alive(upload) else None

    def content(self, owner: str, upload: Upload) -> BucketContent:
        """Return a handle on the bytes of a found file."""
        key = _key(owner, upload.id)
        return self._bucket.content(key, upload.size_bytes, upload.created_at)

    async def used(self, owner: str) -> Used:
        """Return an owner's number of files and bytes; expired ones count until they are swept.

        Raises:
            StorageError: the bucket is out of order.
        """
        listed = await self._bucket.listing(_folder(owner))
        sizes = [one.size_bytes for one in listed if not one.key.endswith(RECORD)]
        return Used(len(sizes), sum(sizes))

    async def listing(self, owner: str) -> list[Upload]:
        """Return all files of an owner, the newest first.

        Raises:
            StorageError: the bucket is out of order.
        """
        listed = await self._bucket.listing(_folder(owner))
        records = [one.key for one in listed if one.key.endswith(RECORD)]
        return newest_first((await self._read(records)).values())

    async def delete(self, owner: str, upload_id: str) -> bool:
        """Delete the owner's file of this id; return False if there was none.

        Raises:
            StorageError: the bucket is out of order.
        """
        if await self.find(owner, upload_id) is None:
            return False
        await self._forget([_key(owner, upload_id)])
        return True

    async def sweep(self, max_bytes: int) -> Swept:
        """Remove expired files, then the oldest of the largest owners, then bytes without a record.

        Files go until at most `max_bytes` are left; 0 is no limit. Files under a minute old stay.
        Several machines may sweep at once.

        Raises:
            StorageError: the bucket is out of order.
        """
        now = time.time()
        listed = [one for one in await self._bucket.listing(FOLDER) if _is_ours(one.key)]
        records = {one.key for one in listed if one.key.endswith(RECORD)}
        found = await self._recorded(records)
        gone = evicted(found, max_bytes, now)
        await self._forget_all(gone)
        await self._bucket.delete(
            [one.key for one in listed if _is_orphan(one, records, now - STALE_SECONDS)]
        )
        return swept(found, gone, gone)

    async def _total(self) -> int:
        listed = await self._bucket.listing(FOLDER)
        return sum(one.size_bytes for one in listed if not one.key.endswith(RECORD))

    async def _files(self) -> list[KeptFile]:
        listed = await self._bucket.listing(FOLDER)
        keys = (one.key for one in listed if _is_ours(one.key))
        return await self._recorded({key for key in keys if key.endswith(RECORD)})

    async def _recorded(self, records: Collection[str]) -> list[KeptFile]:
        uploads = await self._read(sorted(records))
        return [kept_file(key.removesuffix(RECORD), upload) for key, upload in uploads.items()]

    async def _forget_all(self, files: Sequence[KeptFile]) -> None:
        await self._forget([file.key for file in files])

    async def _read(self, records: Sequence[str]) -> dict[str, Upload]:
        """Return the uploads by the keys of their records, without those deleted meanwhile."""
        found: dict[str, Upload] = {}
        for start in range(0, len(records), READS_AT_ONCE):
            keys = records[start : start + READS_AT_ONCE]
            raw = await asyncio.gather(*map(self._bucket.read_small, keys))
            read = zip(keys, map(decoded, raw), strict=True)
            found |= {key: upload for key, upload in read if upload is not None}
        return found

    async def _forget(self, keys: Sequence[str]) -> None:
        """Remove files, the records first, since a file exists by its record."""
        await self._bucket.delete([key + RECORD for key in keys])
        await self._bucket.delete(keys)


def _folder(owner: str) -> str:
    return f"{FOLDER}/{checked_owner(owner)}"


def _key(owner: str, upload_id: str) -> str:
    return f"{_folder(owner)}/{upload_id}"


def _is_ours(key: str) -> bool:
    """Tell whether this class has made the object; foreign objects are left alone."""
    _, _, rest = key.partition("/")
    owner, _, name = rest.partition("/")
    return is_owner(owner) and is_id(name.removesuffix(RECORD))


def _is_orphan(one: KeptFile, records: set[str], before: float) -> bool:
    """Tell whether these bytes have no record, since a machine died before writing it."""
    is_pair = one.key.endswith(RECORD) or one.key + RECORD in records
    return not is_pair and one.changed_at < before
