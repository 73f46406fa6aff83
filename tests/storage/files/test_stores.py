"""The stores that a setting chooses, and which of them are swept."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.vocabulary.byte_source import read_all
from service.vocabulary.errors import StorageError
from service.vocabulary.requests import LocalFile
from storage.files.blobs import FileBlobs
from storage.files.bucket_blobs import BucketBlobs
from storage.files.bucket_uploads import BucketUploads
from storage.files.retention import Swept
from storage.files.stores import Stores
from storage.files.uploads import FileUploads
from tests.storage.conftest import Objects

OWNER = "a" * 32


async def body() -> AsyncIterator[bytes]:
    yield b"hello"


def received(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "body"
    path.write_bytes(b"hello")
    return path


async def fill(stores: Stores, folder: Path) -> None:
    """Store a file in each store."""
    await stores.blobs.save("files", "a.txt", "", body())
    file = LocalFile(received(folder), "a.txt", "text/plain", 5, "digest")
    upload = await stores.uploads.keep(OWNER, file, "vision", 60)
    assert await read_all(stores.uploads.content(OWNER, upload)) == b"hello"


async def test_a_directory_holds_both_stores(tmp_path: Path) -> None:
    stores = Stores(f"file:{tmp_path}/kept", tmp_path / "data")
    assert isinstance(stores.blobs, FileBlobs)
    assert isinstance(stores.uploads, FileUploads)
    assert stores.uploads.incoming == tmp_path / "kept" / "uploads" / "incoming"
    await fill(stores, tmp_path / "forms")
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {"files", "uploads"}
    kept = Swept(0, 0, 1, 5)
    assert await stores.sweep(30, 1) == {"blobs": kept, "uploads": kept}


async def test_a_bucket_holds_both_stores_and_the_disk_what_is_on_its_way(
    objects: Objects, tmp_path: Path
) -> None:
    stores = Stores(objects.address, tmp_path / "data")
    assert isinstance(stores.blobs, BucketBlobs)
    assert isinstance(stores.uploads, BucketUploads)
    assert stores.uploads.incoming == tmp_path / "data" / "uploads" / "incoming"
    await fill(stores, tmp_path / "forms")
    assert [key.split("/")[0] for key in objects.keys] == ["files", "uploads", "uploads"]
    assert [path for path in (tmp_path / "data").rglob("*") if path.is_file()] == []
    kept = Swept(0, 0, 1, 5)
    assert await stores.sweep(30, 1) == {"blobs": kept, "uploads": kept}


async def test_what_a_dead_process_left_on_the_disk_is_swept_beside_a_bucket(
    objects: Objects, tmp_path: Path
) -> None:

    left = tmp_path / "uploads" / "incoming" / "body-1", tmp_path / "files" / f".{'1' * 32}.part"
    for path in left:
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x")
        os.utime(path, (1, 1))
    await Stores(objects.address, tmp_path).sweep(30, 1)
    assert not any(path.exists() for path in left)


@pytest.mark.usefixtures("s3")
async def test_a_bucket_that_is_out_of_order_is_said(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="out of order"):
        await Stores("s3://no-such-bucket", tmp_path).sweep(30, 1)
