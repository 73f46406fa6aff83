"""Values in files of this machine: whole and private, and a broken disk breaks nothing else."""

import os
from pathlib import Path

import pytest

from storage.state.journal import FileJournal
from tests.storage.conftest import NoRoom

KEY = "0123456789abcdef"


def mode(path: Path) -> int:
    return path.stat().st_mode


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "tokens"


async def test_a_value_is_seen_by_all_until_it_is_removed(folder: Path) -> None:
    one, other = FileJournal(folder), FileJournal(folder)
    assert await one.get(KEY) is None
    assert await one.keys() == []
    await one.remove(KEY)
    assert await one.put(KEY, b"a long value")
    assert await one.put(KEY, b"short")
    assert await other.get(KEY) == b"short"
    assert await other.keys() == [KEY]
    await other.remove(KEY)
    assert await one.get(KEY) is None
    assert os.listdir(folder) == []  # noqa: PTH208 - names only


async def test_it_is_for_its_owner_only(folder: Path) -> None:
    await FileJournal(folder).put(KEY, b"x")
    assert [mode(path) & 0o077 for path in (folder, folder / KEY)] == [0, 0]


async def test_a_full_disk_leaves_no_half_of_a_value(
    folder: Path, no_room: NoRoom, caplog: pytest.LogCaptureFixture
) -> None:
    journal = FileJournal(folder)
    await journal.put(KEY, b"before")
    with no_room(2):
        assert not await journal.put(KEY, b"12345")
    assert await journal.get(KEY) is None
    assert "cannot be written" in caplog.text


@pytest.mark.parametrize("place", ["file/tokens", "file"])
async def test_a_folder_that_cannot_be_made_holds_nothing(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    journal = FileJournal(tmp_path / place)
    assert not await journal.put(KEY, b"x")
    assert await journal.get(KEY) is None
    assert await journal.keys() == []
    await journal.remove(KEY)


async def test_a_key_is_a_hash_and_no_path(folder: Path) -> None:
    with pytest.raises(ValueError, match="hash"):
        await FileJournal(folder).get("../state.db")


async def test_files_of_others_are_no_values(tmp_path: Path) -> None:
    (tmp_path / "README").touch()
    assert await FileJournal(tmp_path).keys() == []
