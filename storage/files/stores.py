"""The stores of pictures, files and uploads, chosen by the setting `storage.blobs`."""

from pathlib import Path
from typing import TYPE_CHECKING

from storage.files.blobs import FileBlobs
from storage.files.retention import Swept
from storage.files.uploads import FileUploads

if TYPE_CHECKING:
    from storage.files.bucket_blobs import BucketBlobs
    from storage.files.bucket_uploads import BucketUploads

_FILE, _S3 = "file:", "s3://"


class Stores:
    """Both stores, on this machine's disk or in a bucket.

    Args:
        address: `file:<directory>`, or `s3://<bucket>/<prefix>`.
        data: the directory for bodies on their way to a bucket.
    """

    def __init__(self, address: str, data: Path) -> None:
        is_shared = address.startswith(_S3)
        root = data if is_shared else Path(address.removeprefix(_FILE))
        self._local = FileBlobs(root), FileUploads(root)
        self._shared = _shared(address, *self._local) if is_shared else None
        self.blobs: FileBlobs | BucketBlobs
        self.uploads: FileUploads | BucketUploads
        self.blobs, self.uploads = self._shared or self._local

    async def sweep(self, keep_days: float, max_bytes: int) -> dict[str, Swept]:
        """Sweep each store down to `max_bytes`; return the accounts under `blobs` and `uploads`.

        Several processes and machines may sweep at once.

        Raises:
            StorageError: the bucket is out of order.
            OSError: the disk is.
        """
        blobs, uploads = self._local
        swept = {"blobs": await blobs.sweep(keep_days, max_bytes)}
        swept["uploads"] = await uploads.sweep(max_bytes)
        if self._shared is not None:  # the disk then holds only bodies on their way to the bucket
            shared_blobs, shared_uploads = self._shared
            swept["blobs"] = await shared_blobs.sweep(keep_days, max_bytes)
            swept["uploads"] = await shared_uploads.sweep(max_bytes)
        return swept


def _shared(
    address: str, blobs: FileBlobs, uploads: FileUploads
) -> "tuple[BucketBlobs, BucketUploads]":
    # Imported here, since a store on disk needs none of their 2 MiB.
    from storage.files.bucket import Bucket  # noqa: PLC0415
    from storage.files.bucket_blobs import BucketBlobs  # noqa: PLC0415
    from storage.files.bucket_uploads import BucketUploads  # noqa: PLC0415

    bucket = Bucket(address)
    return BucketBlobs(bucket, blobs), BucketUploads(bucket, uploads.incoming)
