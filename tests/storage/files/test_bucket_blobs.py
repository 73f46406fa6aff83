"""Every store of pictures and files; and the one in a bucket."""

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from service.vocabulary.byte_source import read_all
from service.vocabulary.errors import StorageError, StorageFullError
from storage.files import blobs as blobs_module
from storage.files import bucket_blobs
from storage.files.blobs import FileBlobs, StoredBlob
from storage.files.bucket import Bucket
from storage.files.bucket_blobs import BucketBlobs
from storage.files.retention import Swept
from tests.storage.conftest import NoRoom, Objects

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 300
LARGE = os.urandom(1024 * 1024) * 12  # three parts
Store = FileBlobs | BucketBlobs


def shared(objects: Objects, root: Path) -> BucketBlobs:
    return BucketBlobs(Bucket(objects.address), FileBlobs(root))


@pytest.fixture(params=["file", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "file":
        return FileBlobs(tmp_path)
    return shared(request.getfixturevalue("objects"), tmp_path)


async def body(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def files_in(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def later(monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    clock = SimpleNamespace(time=lambda: time.time() + days * 86400)
    monkeypatch.setattr(blobs_module, "time", clock)
    monkeypatch.setattr(bucket_blobs, "time", clock)


# --- both -----------------------------------------------------------------------------


@pytest.mark.whole
@pytest.mark.parametrize("content", [b"", PNG, LARGE], ids=["empty", "small", "large"])
async def test_a_body_is_found_as_it_was_saved(store: Store, content: bytes) -> None:
    chunks = (content[at : at + 70_000] for at in range(0, len(content), 70_000))
    name = await store.save("images", "../cat.PNG", "image/png", body(*chunks))
    assert re.fullmatch(r"[0-9a-f]{32}\.png", name)
    found = await store.find("images", name)
    assert found is not None
    assert await read_all(found.content) == content
    assert (found.media_type, found.is_inline) == ("image/png", True)
    assert await store.find("files", name) is None


@pytest.mark.parametrize("name", ["", "..", "../x", "0" * 32, "0" * 32 + ".png", ".x.part"])
async def test_a_name_that_was_never_made_finds_nothing(store: Store, name: str) -> None:
    assert await store.find("images", name) is None
    assert await store.find("elsewhere", name) is None


async def test_a_neighbour_of_a_name_finds_nothing(store: Store) -> None:
    name = await store.save("files", "a.txt", "", body(b"x"))
    for at in (0, 15, 31):
        changed = "1" if name[at] == "0" else "0"
        assert await store.find("files", name[:at] + changed + name[at + 1 :]) is None
    assert await store.find("files", name.removesuffix(".txt")) is None
    assert await store.find("files", name.upper()) is None


@pytest.mark.usefixtures("objects")
async def test_a_body_that_breaks_leaves_nothing(
    store: Store, objects: Objects, tmp_path: Path
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield LARGE
        raise LookupError("cut")

    with pytest.raises(LookupError):
        await store.save("files", "x.txt", "", broken())
    assert files_in(tmp_path) == []
    assert objects.keys == []


async def test_a_full_disk_leaves_nothing(
    store: Store,
    objects: Objects,
    tmp_path: Path,
    no_room: NoRoom,
) -> None:
    with no_room(10_000), pytest.raises(StorageFullError):
        await store.save("files", "x.txt", "", body(b"x" * 9000, b"x" * 2000))
    assert files_in(tmp_path) == []
    assert objects.keys == []


@pytest.mark.whole
async def test_a_sweep_removes_by_age_and_then_the_oldest(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = []
    for _ in range(2):
        names.append(await store.save("files", "x.txt", "", body(b"x" * 1000)))
        await asyncio.sleep(1.1)  # S3's times are in whole seconds
    assert await store.sweep(0.0001, 1) == Swept(0, 0, 2, 2000)
    later(monkeypatch, 1)
    assert await store.sweep(30, 1500) == Swept(1, 1000, 1, 1000)
    assert await store.find("files", names[0]) is None
    assert await store.find("files", names[1]) is not None
    later(monkeypatch, 31)
    assert await store.sweep(30, 0) == Swept(1, 1000, 0, 0)
    assert await store.find("files", names[1]) is None


# --- shared ---------------------------------------------------------------------------


async def test_another_machine_finds_what_one_has_saved_and_copies_nothing(
    objects: Objects, tmp_path: Path
) -> None:
    name = await shared(objects, tmp_path / "a").save("files", "a.csv", "text/csv", body(LARGE))
    assert objects.keys == [f"files/{name}"]
    assert files_in(tmp_path) == []
    other = shared(objects, tmp_path / "b")
    for found in await asyncio.gather(*(other.find("files", name) for _ in range(3))):
        assert found is not None
        assert await read_all(found.content) == LARGE
    assert files_in(tmp_path) == []


async def test_what_was_on_the_disk_before_is_still_found(objects: Objects, tmp_path: Path) -> None:
    name = await FileBlobs(tmp_path).save("images", "a.png", "", body(PNG))
    found = await shared(objects, tmp_path).find("images", name)
    assert found == StoredBlob(tmp_path / "images" / name, "image/png", is_inline=True)


async def test_a_file_on_its_way_is_never_swept_nor_half_found(
    objects: Objects, tmp_path: Path
) -> None:
    store, other = shared(objects, tmp_path), shared(objects, tmp_path / "b")
    seen = []

    async def slow() -> AsyncIterator[bytes]:
        yield LARGE
        (part,) = files_in(tmp_path)
        past = time.time() - 600
        os.utime(part, (past, past))
        seen.extend(objects.keys)
        assert await other.sweep(0.0001, 1) == Swept(0, 0, 0, 0)
        assert await FileBlobs(tmp_path).sweep(0.0001, 1) == Swept(0, 0, 1, part.stat().st_size)
        yield b"end"

    name = await store.save("files", "x.bin", "", slow())
    assert seen == []
    found = await other.find("files", name)
    assert found is not None
    assert await read_all(found.content) == LARGE + b"end"


async def test_sweeps_of_several_machines_do_no_harm(
    objects: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = [shared(objects, tmp_path / str(number)) for number in range(3)]
    names = {await store.save("files", "x.txt", "", body(b"x" * 10)) for store in stores * 3}
    later(monkeypatch, 1)
    sweeps = await asyncio.gather(*(store.sweep(30, 50) for store in stores))
    assert max(sweep.removed_files for sweep in sweeps) == 4
    left = {key.removeprefix("files/") for key in objects.keys}
    assert len(left) == 5
    assert left < names


async def test_foreign_objects_stay(
    objects: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = ["../" + "0" * 32, "files/by-hand.txt"]
    objects.put("files/by-hand.txt")
    objects.put("../" + "0" * 32)
    later(monkeypatch, 1000)
    assert await shared(objects, tmp_path).sweep(30, 1) == Swept(0, 0, 0, 0)
    assert objects.keys == kept


async def test_a_bucket_or_a_disk_that_is_out_of_order_is_a_problem(
    objects: Objects, tmp_path: Path
) -> None:
    assert await shared(objects, tmp_path).problem() is None
    (tmp_path / "file").touch()
    problem = await shared(objects, tmp_path / "file").problem()
    assert problem == "the disk of pictures and files cannot be written: Not a directory"
    store = BucketBlobs(Bucket("s3://no-such-bucket"), FileBlobs(tmp_path))
    assert await store.problem() == "the bucket of pictures and files cannot be read"
    with pytest.raises(StorageError, match="out of order"):
        await store.save("files", "a.txt", "", body(b"x"))
    assert files_in(tmp_path) == [tmp_path / "file"]
    with pytest.raises(StorageError):
        await store.sweep(30, 1)
