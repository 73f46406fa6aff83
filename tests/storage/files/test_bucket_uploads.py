"""The store of uploads in a bucket; tests for both stores are in test_uploads.py."""

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from service.vocabulary.byte_source import read_all
from service.vocabulary.errors import StorageError
from storage.files import bucket_uploads, upload_records
from storage.files.bucket import Bucket
from storage.files.bucket_uploads import BucketUploads
from storage.files.retention import Swept
from storage.files.upload_records import STALE_SECONDS
from tests.storage.conftest import Objects
from tests.storage.files.test_uploads import OTHER, OWNER, files_below, keep, later, received


@pytest.fixture
def store(objects: Objects, tmp_path: Path) -> BucketUploads:
    return BucketUploads(Bucket(objects.address), tmp_path / "incoming")


async def test_bytes_and_record_are_below_the_owner_and_on_no_disk(
    store: BucketUploads, objects: Objects, tmp_path: Path
) -> None:
    file = received(store)
    upload = await store.keep(OWNER, file, "vision", 60)
    key = f"uploads/{OWNER}/{upload.id}"
    assert objects.keys == [key, f"{key}.json"]
    file.path.unlink()  # as the reader of the form does
    assert await read_all(store.content(OWNER, upload)) == b"hello"
    assert files_below(tmp_path) == set()


async def test_a_range_of_a_file_is_read(store: BucketUploads) -> None:
    upload = await keep(store, b"0123456789")
    content = store.content(OWNER, upload)
    assert [chunk async for chunk in content.read(2, 5)] == [b"234"]
    assert [chunk async for chunk in content.read(5, 5)] == []
    assert upload.id not in repr(content)


async def test_bytes_without_a_record_are_nobody_s_and_swept_in_time(
    store: BucketUploads, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, half = await keep(store), await keep(store, owner=OTHER)
    objects.delete(f"uploads/{OTHER}/{half.id}.json")
    assert await store.find(OTHER, half.id) is None
    assert await store.listing(OTHER) == []
    await store.sweep(1000)
    assert f"uploads/{OTHER}/{half.id}" in objects.keys
    later(monkeypatch, STALE_SECONDS + 60)
    assert await store.sweep(1000) == Swept(0, 0, 1, 5)
    assert objects.keys == [f"uploads/{OWNER}/{kept.id}{end}" for end in ("", ".json")]


async def test_damaged_records_and_foreign_objects_are_left_alone(
    store: BucketUploads, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = await keep(store)
    objects.put(f"uploads/{OWNER}/{upload.id}.json", b"{")
    for key in ("uploads/by-hand.txt", f"uploads/{OWNER}/by-hand.txt", "images/x.png"):
        objects.put(key)
    before = objects.keys
    assert await store.find(OWNER, upload.id) is None
    assert await store.listing(OWNER) == []
    clock = SimpleNamespace(time=lambda: time.time() + 1000 * 86400)
    for module in (upload_records, bucket_uploads):
        monkeypatch.setattr(module, "time", clock)
    assert await store.sweep(1) == Swept(0, 0, 0, 0)
    assert objects.keys == before


@pytest.mark.usefixtures("s3")
async def test_a_bucket_that_is_not_there_is_a_storage_error(tmp_path: Path) -> None:
    store = BucketUploads(Bucket("s3://no-such-bucket/x"), tmp_path)
    for call in (keep, _used, _listing, _sweep):
        with pytest.raises(StorageError, match="out of order"):
            await call(store)


async def _used(store: BucketUploads) -> None:
    await store.used(OWNER)


async def _listing(store: BucketUploads) -> None:
    await store.listing(OWNER)


async def _sweep(store: BucketUploads) -> None:
    await store.sweep(1)
