"""Both stores of uploads, and the one on a disk."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from service.vocabulary.byte_source import read_all
from service.vocabulary.errors import StorageError, StorageFullError
from service.vocabulary.requests import LocalFile, Upload, Used
from storage.files import bucket_uploads, upload_records
from storage.files import uploads as uploads_module
from storage.files.bucket import Bucket
from storage.files.bucket_uploads import BucketUploads
from storage.files.retention import Swept
from storage.files.upload_records import STALE_SECONDS
from storage.files.uploads import FileUploads
from tests.rows import each_row
from tests.storage.conftest import NoRoom, Objects

OWNER, OTHER = "a" * 32, "b" * 32
DAY = 86400.0
Store = FileUploads | BucketUploads


@pytest.fixture
def local(tmp_path: Path) -> FileUploads:
    return FileUploads(tmp_path)


@pytest.fixture(params=["file", "s3"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Return a function that opens the store as each process or machine does."""
    if request.param == "file":
        return lambda: FileUploads(tmp_path)
    objects: Objects = request.getfixturevalue("objects")
    return lambda: BucketUploads(Bucket(objects.address), tmp_path / "incoming")


@pytest.fixture
def store(make: Callable[[], Store]) -> Store:
    return make()


def received(store: Store, body: bytes = b"hello", name: str = "a.txt") -> LocalFile:
    store.incoming.mkdir(parents=True, exist_ok=True)
    path = store.incoming / f"body-{time.monotonic_ns()}"
    path.write_bytes(body)
    return LocalFile(path, name, "text/plain", len(body), "digest")


async def keep(
    store: Store, body: bytes = b"hello", owner: str = OWNER, seconds: float = DAY
) -> Upload:
    return await store.keep(owner, received(store, body), "user_data", seconds)


def files_below(root: Path) -> set[str]:
    return {path.name for path in root.rglob("*") if path.is_file()}


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    clock = SimpleNamespace(time=lambda: time.time() + seconds)
    for module in (upload_records, uploads_module, bucket_uploads):
        monkeypatch.setattr(module, "time", clock)


# --- both -----------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"hello", os.urandom(1024 * 1024) * 12], ids=["small", "large"])
async def test_a_kept_file_is_found_listed_read_and_deleted(store: Store, body: bytes) -> None:
    upload = await store.keep(OWNER, received(store, body), "vision", DAY)
    assert (upload.name, upload.size_bytes, upload.purpose) == ("a.txt", len(body), "vision")
    assert (upload.media_type, upload.sha256) == ("text/plain", "digest")
    assert await store.find(OWNER, upload.id) == upload
    assert await store.listing(OWNER) == [upload]
    assert await read_all(store.content(OWNER, upload)) == body
    assert await store.delete(OWNER, upload.id)
    assert not await store.delete(OWNER, upload.id)
    assert await store.find(OWNER, upload.id) is None
    assert await store.listing(OWNER) == []
    with pytest.raises(StorageError):
        await read_all(store.content(OWNER, upload))


async def test_an_owner_sees_none_of_another_s_files(store: Store) -> None:
    upload = await keep(store)
    assert await store.find(OTHER, upload.id) is None
    assert await store.listing(OTHER) == []
    assert not await store.delete(OTHER, upload.id)
    assert await store.find(OWNER, upload.id) is not None
    with pytest.raises(StorageError):
        await read_all(store.content(OTHER, upload))


@each_row(
    "name",
    [
        *("", "..", "../x", "file-", "file-" + "/" * 24, "file-" + "a" * 24 + ".json", "\x00"),
        *("file-" + "a" * 23 + "\n", "%2e%2e%2f" * 4, "/etc/passwd", "file-" + "é" * 24),
    ],
)
async def test_what_is_no_id_is_not_there(name: str, store: Store) -> None:
    await keep(store)
    assert await store.find(OWNER, name) is None
    assert not await store.delete(OWNER, name)


async def test_a_neighbouring_id_is_not_there(store: Store) -> None:
    upload = await keep(store)
    for at in (5, 16, 28):
        changed = "b" if upload.id[at] == "a" else "a"
        assert await store.find(OWNER, upload.id[:at] + changed + upload.id[at + 1 :]) is None


@pytest.mark.parametrize("owner", ["", "..", "incoming", "A" * 32])
async def test_an_owner_is_never_a_path(store: Store, owner: str) -> None:
    with pytest.raises(ValueError, match="owner"):
        await keep(store, owner=owner)
    for method in (store.listing, store.used):
        with pytest.raises(ValueError, match="owner"):
            await method(owner)


async def test_files_survive_a_restart_and_are_shared_by_all_processes(
    make: Callable[[], Store],
) -> None:
    store, other = make(), make()
    first, second = await keep(store), await keep(store)
    assert await other.find(OWNER, first.id) == first
    assert await other.listing(OWNER) == [second, first]
    assert await read_all(other.content(OWNER, first)) == b"hello"
    assert await other.delete(OWNER, first.id)
    assert await store.find(OWNER, first.id) is None


@pytest.mark.whole
async def test_many_files_are_all_listed_the_newest_first(store: Store) -> None:
    uploads = [await keep(store, b"x" * size) for size in range(1, 41)]
    assert await store.listing(OWNER) == uploads[::-1]
    assert await store.used(OWNER) == Used(40, sum(range(1, 41)))


async def test_what_an_owner_uses_is_known_and_is_his_own(store: Store) -> None:
    assert await store.used(OWNER) == Used(0, 0)
    upload = await keep(store)
    await keep(store, b"four")
    await keep(store, owner=OTHER)
    assert await store.used(OWNER) == Used(2, 9)
    await store.delete(OWNER, upload.id)
    assert await store.used(OWNER) == Used(1, 4)


async def test_an_expired_file_is_gone_before_it_is_swept(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload, kept = await keep(store, seconds=-1), await keep(store)
    assert await store.find(OWNER, upload.id) is None
    assert await store.listing(OWNER) == [kept]
    assert await store.used(OWNER) == Used(2, 10)
    later(monkeypatch, 120)
    assert await store.sweep(1000) == Swept(1, 5, 1, 5)
    assert await store.used(OWNER) == Used(1, 5)
    assert await store.find(OWNER, kept.id) == kept


async def test_the_oldest_go_when_there_is_too_much(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    oldest, middle, newest = await keep(store), await keep(store, owner=OTHER), await keep(store)
    assert await store.sweep(10) == Swept(0, 0, 3, 15)  # young: a chat may use them
    later(monkeypatch, 120)
    assert await store.sweep(10) == Swept(1, 5, 2, 10)
    assert await store.sweep(0) == Swept(0, 0, 2, 10)  # no limit
    assert await store.find(OWNER, oldest.id) is None
    assert await store.find(OTHER, middle.id)
    assert await store.find(OWNER, newest.id)


@pytest.mark.whole
async def test_sweeps_of_several_processes_do_no_harm(
    make: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make()
    uploads = [await keep(store) for _ in range(12)]
    later(monkeypatch, 120)
    sweeps = await asyncio.gather(*(make().sweep(30) for _ in range(4)))
    assert all(sweep.removed_files <= 6 for sweep in sweeps)
    assert await store.listing(OWNER) == uploads[:5:-1]


# --- on a disk ------------------------------------------------------------------------


async def test_a_received_file_is_moved_not_copied(local: FileUploads) -> None:
    file = received(local)
    inode = file.path.stat().st_ino
    upload = await local.keep(OWNER, file, "vision", DAY)
    assert not file.path.exists()
    assert local.content(OWNER, upload).stat().st_ino == inode


async def test_what_a_dead_process_left_is_swept_in_time(
    local: FileUploads, tmp_path: Path
) -> None:
    kept = await keep(local)
    half = await keep(local, owner=OTHER)
    (tmp_path / "uploads" / OTHER / f"{half.id}.json").unlink()
    young, old = received(local), received(local)
    past = time.time() - STALE_SECONDS - 1
    for path in (old.path, tmp_path / "uploads" / OTHER / half.id):
        os.utime(path, (past, past))
    os.utime(local.content(OWNER, kept), (past, past))
    await local.sweep(1000)
    assert files_below(tmp_path) == {young.path.name, kept.id, f"{kept.id}.json"}
    assert not (tmp_path / "uploads" / OTHER).exists()


async def test_a_damaged_record_counts_as_absent(local: FileUploads, tmp_path: Path) -> None:
    upload = await keep(local)
    (tmp_path / "uploads" / OWNER / f"{upload.id}.json").write_text("{")
    assert await local.find(OWNER, upload.id) is None
    assert await local.listing(OWNER) == []


async def test_a_disk_that_fails_leaves_nothing_behind(local: FileUploads, tmp_path: Path) -> None:
    file = received(local)
    file.path.unlink()
    with pytest.raises(StorageError, match="could not be stored"):
        await local.keep(OWNER, file, "vision", DAY)
    assert files_below(tmp_path) == set()


async def test_a_full_disk_leaves_nothing_of_a_pair(
    local: FileUploads, tmp_path: Path, no_room: NoRoom
) -> None:
    file = received(local)
    with no_room(), pytest.raises(StorageFullError):
        await local.keep(OWNER, file, "vision", DAY)
    assert files_below(tmp_path) == {file.path.name}
