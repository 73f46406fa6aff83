import os
import time
from pathlib import Path

import pytest

from service.chat import LocalFile, Upload
from service.errors import StorageError
from storage.retention import Swept
from storage.uploads import STALE_SECONDS, FileUploads

OWNER, OTHER = "a" * 32, "b" * 32
DAY = 86400.0


@pytest.fixture
def store(tmp_path: Path) -> FileUploads:
    return FileUploads(tmp_path)


def received(store: FileUploads, body: bytes = b"hello", name: str = "a.txt") -> LocalFile:
    store.incoming.mkdir(parents=True, exist_ok=True)
    path = store.incoming / f"body-{time.monotonic_ns()}"
    path.write_bytes(body)
    return LocalFile(path, name, "text/plain", len(body), "digest")


def keep(
    store: FileUploads, body: bytes = b"hello", owner: str = OWNER, seconds: float = DAY
) -> Upload:
    return store.keep(owner, received(store, body), "user_data", seconds)


def files_below(root: Path) -> set[str]:
    return {path.name for path in root.rglob("*") if path.is_file()}


async def test_a_kept_file_is_found_listed_and_deleted(store: FileUploads) -> None:
    file = received(store)
    upload = store.keep(OWNER, file, "vision", DAY)
    assert (upload.name, upload.size_bytes, upload.purpose) == ("a.txt", 5, "vision")
    assert store.find(OWNER, upload.id) == upload
    assert await store.listing(OWNER) == [upload]
    content = store.content(OWNER, upload)
    assert content.path.read_bytes() == b"hello"
    assert (content.name, content.media_type, content.sha256) == ("a.txt", "text/plain", "digest")
    assert not file.path.exists()
    assert store.delete(OWNER, upload.id)
    assert not store.delete(OWNER, upload.id)
    assert store.find(OWNER, upload.id) is None
    assert await store.listing(OWNER) == []
    assert not content.path.exists()


def test_an_id_cannot_be_guessed(store: FileUploads) -> None:
    ids = {keep(store).id for _ in range(20)}
    assert len(ids) == 20
    assert {len(one) for one in ids} == {len("file-") + 24}


async def test_an_owner_sees_none_of_another_s_files(store: FileUploads) -> None:
    upload = keep(store)
    assert store.find(OTHER, upload.id) is None
    assert await store.listing(OTHER) == []
    assert not store.delete(OTHER, upload.id)
    assert store.find(OWNER, upload.id) is not None


@pytest.mark.parametrize(
    "name", ["", "..", "../x", "file-", "file-" + "/" * 24, "file-" + "a" * 24 + ".json", "\x00"]
)
def test_what_is_no_id_is_not_there(name: str, store: FileUploads) -> None:
    keep(store)
    assert store.find(OWNER, name) is None
    assert not store.delete(OWNER, name)


def test_an_owner_is_never_a_path(store: FileUploads) -> None:
    for owner in ("", "..", "incoming", "A" * 32):
        with pytest.raises(ValueError, match="owner"):
            keep(store, owner=owner)


async def test_files_survive_a_restart_and_are_shared_by_workers(
    store: FileUploads, tmp_path: Path
) -> None:
    first, second = keep(store), keep(store)
    other = FileUploads(tmp_path)
    assert other.find(OWNER, first.id) == first
    assert await other.listing(OWNER) == [second, first]
    assert other.delete(OWNER, first.id)
    assert store.find(OWNER, first.id) is None


async def test_an_expired_file_is_gone_before_it_is_swept(
    store: FileUploads, tmp_path: Path
) -> None:
    upload, kept = keep(store, seconds=-1), keep(store)
    assert store.find(OWNER, upload.id) is None
    assert await store.listing(OWNER) == [kept]
    swept = await store.sweep(1000)
    assert (swept.removed_files, swept.removed_bytes) == (1, 5)
    assert files_below(tmp_path) == {kept.id, f"{kept.id}.json"}


async def test_the_oldest_go_when_there_is_too_much(store: FileUploads) -> None:
    oldest, middle, newest = keep(store), keep(store, owner=OTHER), keep(store)
    swept = await store.sweep(10)
    assert swept == Swept(1, 5, kept_files=2, kept_bytes=10)
    assert await store.sweep(0) == Swept(0, 0, kept_files=2, kept_bytes=10)  # no limit
    assert store.find(OWNER, oldest.id) is None
    assert store.find(OTHER, middle.id)
    assert store.find(OWNER, newest.id)


async def test_what_a_dead_process_left_is_swept_in_time(
    store: FileUploads, tmp_path: Path
) -> None:
    kept = keep(store)
    half = keep(store, owner=OTHER)
    (tmp_path / "uploads" / OTHER / f"{half.id}.json").unlink()
    young, old = received(store), received(store)
    past = time.time() - STALE_SECONDS - 1
    for path in (old.path, tmp_path / "uploads" / OTHER / half.id):
        os.utime(path, (past, past))
    os.utime(store.content(OWNER, kept).path, (past, past))
    await store.sweep(1000)
    assert files_below(tmp_path) == {young.path.name, kept.id, f"{kept.id}.json"}
    assert not (tmp_path / "uploads" / OTHER).exists()


async def test_a_damaged_record_counts_as_absent(store: FileUploads, tmp_path: Path) -> None:
    upload = keep(store)
    (tmp_path / "uploads" / OWNER / f"{upload.id}.json").write_text("{")
    assert store.find(OWNER, upload.id) is None
    assert await store.listing(OWNER) == []


def test_a_disk_that_fails_leaves_nothing_behind(store: FileUploads, tmp_path: Path) -> None:
    file = received(store)
    file.path.unlink()
    with pytest.raises(StorageError, match="could not be stored"):
        store.keep(OWNER, file, "vision", DAY)
    assert files_below(tmp_path) == set()
