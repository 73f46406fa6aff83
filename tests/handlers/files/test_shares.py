"""One owner's share of the store: which files fit, and what a refusal says."""

import asyncio
import time
from pathlib import Path

import pytest

from handlers.files import shares
from handlers.files.shares import Room, Shares
from service.vocabulary.errors import BodySizeError, RequestError
from service.vocabulary.requests import LocalFile, Upload
from storage.files.uploads import FileUploads

OWNER, OTHER = "a" * 32, "b" * 32
STORE_BYTES = 4000  # and so 1000 for one owner


@pytest.fixture
def store(tmp_path: Path) -> FileUploads:
    return FileUploads(tmp_path)


@pytest.fixture
def share(store: FileUploads) -> Room:
    return Room(Shares(STORE_BYTES), store, OWNER)


async def keep(store: FileUploads, size: int, owner: str = OWNER, seconds: float = 60) -> Upload:
    file = LocalFile(received(store, size), "a.txt", "text/plain", size, "digest")
    return await store.keep(owner, file, "user_data", seconds)


def received(store: FileUploads, size: int) -> Path:
    store.incoming.mkdir(parents=True, exist_ok=True)
    path = store.incoming / f"body-{time.monotonic_ns()}"
    path.write_bytes(bytes(size))
    return path


async def test_an_owner_may_fill_a_quarter_of_the_store(store: FileUploads, share: Room) -> None:
    await keep(store, 5000, OTHER)  # other owners have their own shares
    await share.take(1000)
    await keep(store, 600)
    await share.take(400)
    await share.take(-5)
    with pytest.raises(RequestError):
        await share.take(401)


async def test_a_refusal_says_what_to_delete_and_is_not_to_be_tried_again(
    store: FileUploads, share: Room
) -> None:
    ids = [(await keep(store, size)).id for size in (100, 200, 300, 350)]
    with pytest.raises(RequestError) as caught:
        await share.take(51)
    error = caught.value
    assert (error.status, error.code, error.param) == (400, "storage_limit_exceeded", "file")
    assert error.message == (
        "Your 4 files here have 950 bytes, and 51 bytes more would come; one key may keep "
        "1000 bytes in 10000 files. Delete some by DELETE /v1/files/{id}; the oldest: "
        f"{ids[0]} (100 bytes), {ids[1]} (200 bytes), {ids[2]} (300 bytes)."
    )
    await store.delete(OWNER, ids[0])
    await share.take(51)


async def test_what_has_expired_takes_no_room(store: FileUploads, share: Room) -> None:
    await keep(store, 900, seconds=-1)
    await share.take(1000)


async def test_a_file_over_the_whole_share_is_too_large(share: Room) -> None:
    with pytest.raises(BodySizeError, match="over the 1000 bytes that one key may keep") as caught:
        await share.take(1001)
    assert (caught.value.status, caught.value.param) == (413, "file")


async def test_a_number_of_small_files_is_a_limit_too(
    store: FileUploads, share: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "MAX_FILES", 2)
    await keep(store, 1)
    await share.take(1)
    await keep(store, 1)
    with pytest.raises(RequestError, match="Your 2 files here have 2 bytes"):
        await share.take(1)


async def test_large_sizes_are_told_in_mebibytes(store: FileUploads) -> None:
    share = Room(Shares(40 * 1024 * 1024), store, OWNER)
    with pytest.raises(BodySizeError, match=r"over the 10\.0 MiB"):
        await share.take(100 * 1024 * 1024)


async def test_what_is_on_its_way_counts_until_it_is_there_or_given_up(store: FileUploads) -> None:
    shares = Shares(STORE_BYTES)
    async with shares.room(store, OWNER, 600) as room:
        with pytest.raises(RequestError, match="Your 0 files here have 0 bytes, and 1100 bytes"):
            await Room(shares, store, OWNER).take(500)
        await Room(shares, store, OTHER).take(1000)
        await room.take(1000)  # in place of the 600
        with pytest.raises(BodySizeError):
            await room.take(1001)
    async with shares.room(store, OWNER, 1000):
        pass
    with pytest.raises(LookupError):
        async with shares.room(store, OWNER, 1000):
            raise LookupError
    assert OWNER not in shares.held


async def test_of_uploads_at_once_those_pass_that_there_is_room_for(store: FileUploads) -> None:
    shares = Shares(STORE_BYTES)

    async def one() -> bool:
        try:
            async with shares.room(store, OWNER, 300):
                await asyncio.sleep(0.05)
                await keep(store, 300)
        except RequestError:
            return False
        return True

    assert sum(await asyncio.gather(*(one() for _ in range(10)))) == 3
    assert (await store.used(OWNER)).size_bytes == 900
