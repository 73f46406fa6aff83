"""What every store of pictures and files does, in both of them; and what only a shared one does."""

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace

import obstore
import pytest
from obstore.store import S3Store

from service.errors import StorageError
from storage import blobs as blobs_module
from storage import object_blobs
from storage.blobs import FileBlobs
from storage.object_blobs import ObjectBlobs
from storage.retention import Swept
from tests.s3_server import BUCKET, running_s3

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 300
LARGE = os.urandom(1024 * 1024) * 12  # three parts


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[str]:
    with running_s3() as url:
        yield url


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    return re.sub(r"\W", "-", request.node.name)


def shared(prefix: str, root: Path) -> ObjectBlobs:
    return ObjectBlobs(f"s3://{BUCKET}/{prefix}/below", FileBlobs(root))


@pytest.fixture(params=["file", "s3"])
def store(request: pytest.FixtureRequest, prefix: str, tmp_path: Path) -> FileBlobs | ObjectBlobs:
    return shared(prefix, tmp_path) if request.param == "s3" else FileBlobs(tmp_path)


async def body(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def files_in(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def objects(prefix: str) -> list[str]:
    bucket = S3Store(BUCKET, client_options={"allow_http": True})
    return [meta["path"] for batch in obstore.list(bucket, prefix=prefix) for meta in batch]


def later(monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    clock = SimpleNamespace(time=lambda: time.time() + days * 86400)
    monkeypatch.setattr(blobs_module, "time", clock)
    monkeypatch.setattr(object_blobs, "time", clock)


# --- both -----------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", PNG, LARGE], ids=["empty", "small", "large"])
async def test_a_body_is_found_as_it_was_saved(
    store: FileBlobs | ObjectBlobs, content: bytes
) -> None:
    chunks = (content[at : at + 70_000] for at in range(0, len(content), 70_000))
    name = await store.save("images", "../cat.PNG", "image/png", body(*chunks))
    assert re.fullmatch(r"[0-9a-f]{32}\.png", name)
    found = await asyncio.to_thread(store.find, "images", name)
    assert found is not None
    assert found.path.read_bytes() == content
    assert (found.media_type, found.is_inline) == ("image/png", True)
    assert await asyncio.to_thread(store.find, "files", name) is None


@pytest.mark.parametrize("name", ["", "..", "../x", "0" * 32, "0" * 32 + ".png", ".x.part"])
async def test_a_name_that_was_never_made_finds_nothing(
    store: FileBlobs | ObjectBlobs, name: str
) -> None:
    assert await asyncio.to_thread(store.find, "images", name) is None
    assert await asyncio.to_thread(store.find, "elsewhere", name) is None


async def test_a_body_that_breaks_leaves_nothing(
    store: FileBlobs | ObjectBlobs, prefix: str, tmp_path: Path
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield LARGE
        raise LookupError("cut")

    with pytest.raises(LookupError):
        await store.save("files", "x.txt", "", broken())
    assert files_in(tmp_path) == []
    assert objects(prefix) == []


def removed(swept: Swept | None) -> tuple[int, int]:
    assert swept is not None
    return swept.removed_files, swept.removed_bytes


async def test_a_sweep_removes_by_age_and_then_the_oldest(
    store: FileBlobs | ObjectBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = []
    for _ in range(2):
        names.append(await store.save("files", "x.txt", "", body(b"x" * 1000)))
        await asyncio.sleep(1.1)  # S3 tells whole seconds
    assert removed(await store.sweep(0.0001, 1)) == (0, 0)
    later(monkeypatch, 1)
    assert await store.sweep(30, 1500) == Swept(1, 1000, kept_files=1, kept_bytes=1000)
    assert await asyncio.to_thread(store.find, "files", names[0]) is None
    assert await asyncio.to_thread(store.find, "files", names[1]) is not None
    later(monkeypatch, 31)
    assert removed(await store.sweep(30, 0)) == (1, 1000)
    assert await asyncio.to_thread(store.find, "files", names[1]) is None


# --- shared ---------------------------------------------------------------------------


async def test_another_machine_finds_what_one_has_saved(prefix: str, tmp_path: Path) -> None:
    name = await shared(prefix, tmp_path / "a").save("files", "a.csv", "text/csv", body(LARGE))
    assert objects(prefix) == [f"{prefix}/below/files/{name}"]
    other = shared(prefix, tmp_path / "b")
    finds = (asyncio.to_thread(other.find, "files", name) for _ in range(3))
    for found in await asyncio.gather(*finds):
        assert found is not None
        assert found.path.read_bytes() == LARGE
    assert [path.name for path in (tmp_path / "b" / "files").iterdir()] == [name]


async def test_a_copy_is_as_old_as_the_object(
    prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = await shared(prefix, tmp_path / "a").save("files", "a.csv", "", body(b"x"))
    other = shared(prefix, tmp_path / "b")
    found = await asyncio.to_thread(other.find, "files", name)
    assert found is not None
    assert abs(found.path.stat().st_mtime - time.time()) < 60
    later(monkeypatch, 31)
    await other.sweep(30, 0)
    assert objects(prefix) == []
    assert not found.path.exists()


async def test_foreign_objects_stay(
    prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = S3Store(BUCKET, client_options={"allow_http": True})
    kept = [f"{prefix}/below/files/by-hand.txt", f"{prefix}/{'0' * 32}"]
    for path in kept:
        obstore.put(bucket, path, b"x")
    later(monkeypatch, 1000)
    assert removed(await shared(prefix, tmp_path).sweep(30, 1)) == (0, 0)
    assert sorted(objects(prefix)) == sorted(kept)


async def test_a_bucket_that_answers_is_no_problem(prefix: str, tmp_path: Path) -> None:
    assert await shared(prefix, tmp_path).problem() is None
    assert files_in(tmp_path) == []
    assert objects(prefix) == []


async def test_a_bucket_that_is_not_there_is_a_storage_error(tmp_path: Path) -> None:
    store = ObjectBlobs("s3://no-such-bucket", FileBlobs(tmp_path))
    with pytest.raises(StorageError, match="out of order"):
        await store.save("files", "a.txt", "", body(b"x"))
    assert files_in(tmp_path) == []
    assert await store.sweep(30, 1) is None
    assert await store.problem() == "the bucket of pictures and files cannot be read"
