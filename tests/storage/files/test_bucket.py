"""A bucket: streamed both ways, missing objects distinct from a dead bucket, no half objects."""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.vocabulary.byte_source import read_all
from service.vocabulary.errors import StorageError
from storage.files.bucket import Bucket
from tests.storage.conftest import Objects

LARGE = os.urandom(1024 * 1024) * 12  # three parts


@pytest.fixture
def bucket(objects: Objects) -> Bucket:
    return Bucket(objects.address)


async def test_bytes_and_files_are_stored_below_the_prefix_and_read_back(
    bucket: Bucket, objects: Objects, tmp_path: Path
) -> None:
    (tmp_path / "large").write_bytes(LARGE)
    await bucket.put("files/large", tmp_path / "large")
    await bucket.put("files/small", b"hello")
    await bucket.put("files/empty", b"")
    assert objects.keys == ["files/empty", "files/large", "files/small"]
    for key, content in (("large", LARGE), ("small", b"hello"), ("empty", b"")):
        found = await bucket.find(f"files/{key}")
        assert found is not None
        assert found.size_bytes == len(content)
        assert await read_all(found) == content
        assert await bucket.read_small(f"files/{key}") == content


async def test_a_large_object_is_read_in_pieces_and_any_range_of_it(
    bucket: Bucket, tmp_path: Path
) -> None:
    (tmp_path / "large").write_bytes(LARGE)
    await bucket.put("x", tmp_path / "large")
    sizes = [len(chunk) async for chunk in bucket.read("x", 0, len(LARGE))]
    assert sum(sizes) == len(LARGE)
    assert max(sizes) < len(LARGE) / 3  # larger chunks only if the reader is slow
    for start, end in ((0, 1), (5, 5), (7_000_000, 7_000_010), (len(LARGE) - 3, len(LARGE))):
        read = b"".join([chunk async for chunk in bucket.read("x", start, end)])
        assert read == LARGE[start:end]


async def test_what_is_not_there_is_none_or_not_found(bucket: Bucket) -> None:
    assert await bucket.find("files/none") is None
    assert await bucket.read_small("files/none") is None
    with pytest.raises(FileNotFoundError):
        await anext(bucket.read("files/none", 0, 1))
    assert await bucket.listing("files") == []
    await bucket.delete([])
    await bucket.delete(["files/none"])


async def test_objects_are_listed_and_deleted(bucket: Bucket, objects: Objects) -> None:
    names = [f"f{number:02}" for number in range(50)]
    await asyncio.gather(*(bucket.put(f"files/{name}", b"x") for name in names))
    await bucket.put("others/x", b"x")
    listed = await bucket.listing("files")
    assert [one.key for one in listed] == [f"files/{name}" for name in names]
    assert {one.size_bytes for one in listed} == {1}
    await bucket.delete([one.key for one in listed])
    assert objects.keys == ["others/x"]


async def test_a_cancelled_upload_is_never_visible(
    bucket: Bucket, objects: Objects, tmp_path: Path
) -> None:
    (tmp_path / "large").write_bytes(LARGE * 4)
    sending = asyncio.ensure_future(bucket.put("x", tmp_path / "large"))
    await asyncio.sleep(0.02)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert objects.keys == []
    assert await bucket.find("x") is None


@pytest.mark.usefixtures("s3")
async def test_a_bucket_that_is_not_there_is_an_error_and_a_problem(tmp_path: Path) -> None:
    bucket = Bucket("s3://no-such-bucket")
    (tmp_path / "x").touch()
    with pytest.raises(StorageError, match="out of order") as caught:
        await bucket.put("x", tmp_path / "x")
    assert "no-such-bucket" not in caught.value.message
    with pytest.raises(StorageError):
        await bucket.listing("files")
    assert await bucket.problem() == "the bucket of pictures and files cannot be read"


@pytest.mark.whole
async def test_a_server_that_refuses_is_an_error_and_a_problem(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with refusing() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a-key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
        bucket = Bucket("s3://any/x")
        with pytest.raises(StorageError, match="out of order"):
            await bucket.find("files/x")
        assert await bucket.problem() == "the bucket of pictures and files cannot be read"
    assert "out of order" in caplog.text
    assert "a-secret" not in caplog.text


async def test_a_bucket_that_answers_is_no_problem(bucket: Bucket, objects: Objects) -> None:
    assert await bucket.problem() is None
    assert objects.keys == []


@contextmanager
def refusing() -> Iterator[str]:
    """Return the address of a port on which nothing listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"
