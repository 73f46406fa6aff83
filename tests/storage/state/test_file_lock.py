"""Locks of the kernel: one holder at a time, freed with its process, and no file is left."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from service.vocabulary.errors import StorageError
from storage.state.file_lock import FileLock

HOLDER = """
import asyncio, sys
from pathlib import Path
from storage.state.file_lock import FileLock

async def hold(folder):
    assert await FileLock(Path(folder), "name").attempt()
    print("held", flush=True)
    await asyncio.sleep(60)

asyncio.run(hold(sys.argv[1]))
"""


async def test_one_has_it_until_it_is_given_back(tmp_path: Path) -> None:
    folder = tmp_path / "locks"
    one, two = FileLock(folder, "name"), FileLock(folder, "name")
    assert await one.attempt()
    assert not await two.attempt()
    assert await FileLock(folder, "another").attempt()
    await two.release()
    assert not await FileLock(folder, "name").attempt()
    assert await one.prolong()
    await one.release()
    assert await two.attempt()


async def test_of_many_that_come_and_go_one_has_it_at_a_time(tmp_path: Path) -> None:
    """A file that is removed while another waits for it does not count as the lock."""
    inside, most, had = 0, 0, 0

    async def enter() -> None:
        nonlocal inside, most, had
        lock = FileLock(tmp_path, "name")
        while not await lock.attempt():  # noqa: ASYNC110 - as the store does
            await asyncio.sleep(0.001)
        inside += 1
        had += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1
        await lock.release()

    await asyncio.gather(*(enter() for _ in range(50)))
    assert (most, had) == (1, 50)
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - names only


async def test_the_files_are_for_their_owner_only_and_tell_no_name(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "locks", "a-name")
    assert await lock.attempt()
    (file,) = (tmp_path / "locks").iterdir()
    assert (oct(file.stat().st_mode & 0o777), file.stat().st_size) == ("0o600", 0)
    assert (tmp_path / "locks").stat().st_mode & 0o077 == 0
    assert "name" not in file.name
    await lock.release()


async def test_it_is_free_at_once_when_its_process_is_killed(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLDER, str(tmp_path)),
        cwd=Path(__file__).parents[3],
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"held\n"
    lock = FileLock(tmp_path, "name")
    assert not await lock.attempt()
    process.kill()
    await process.communicate()
    assert await lock.attempt()
    await lock.release()


async def test_who_was_cancelled_while_it_took_the_lock_leaves_none_behind(
    tmp_path: Path,
) -> None:
    for _ in range(20):
        lock = FileLock(tmp_path, "name")
        trying = asyncio.ensure_future(lock.attempt())
        await asyncio.sleep(0)
        trying.cancel()
        await asyncio.gather(trying, return_exceptions=True)
        await lock.release()
    other = FileLock(tmp_path, "name")
    assert await other.attempt()
    await other.release()


async def test_a_folder_that_cannot_be_made_is_a_failure_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    lock = FileLock(tmp_path / "file" / "locks", "name")
    with pytest.raises(StorageError):
        await lock.attempt()
    await lock.release()
