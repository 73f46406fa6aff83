"""The file of keys and accounts, as a whole."""

import threading
from pathlib import Path

import pytest
from msgspec import structs

from service.vocabulary.errors import StorageError
from storage.secrets.keys_document import KeysDocument, KeysDocumentFile, SealedAccount


@pytest.fixture
def file(tmp_path: Path) -> KeysDocumentFile:
    return KeysDocumentFile(tmp_path / "keys.json")


def add(file: KeysDocumentFile, name: str) -> None:
    one = SealedAccount(name, "sealed", "tokens")
    file.change(lambda document: structs.replace(document, accounts=(*document.accounts, one)))


def test_a_file_of_an_earlier_version_has_keys_and_no_accounts(
    file: KeysDocumentFile, tmp_path: Path
) -> None:
    assert file.current() == KeysDocument()
    (tmp_path / "keys.json").write_text('{"keys": []}')
    assert file.current() == KeysDocument()


def test_it_is_read_once_for_each_change(file: KeysDocumentFile, tmp_path: Path) -> None:
    add(file, "one")
    first = file.current()
    assert file.current() is first
    add(KeysDocumentFile(tmp_path / "keys.json"), "two")
    assert [one.id for one in file.current().accounts] == ["one", "two"]


def test_threads_that_change_it_at_once_lose_nothing_and_see_it_whole(
    file: KeysDocumentFile,
) -> None:
    seen: list[int] = []

    def work(name: str) -> None:
        for number in range(10):
            add(file, f"{name}-{number}")
            seen.append(len(file.current().accounts))

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(file.current().accounts) == max(seen) == 30


def test_a_change_that_fails_changes_nothing(file: KeysDocumentFile, tmp_path: Path) -> None:
    add(file, "one")
    before = (tmp_path / "keys.json").read_bytes()

    def broken(_document: KeysDocument) -> KeysDocument:
        raise ValueError("of a command")

    with pytest.raises(ValueError, match="of a command"):
        file.change(broken)
    assert (tmp_path / "keys.json").read_bytes() == before
    add(file, "two")  # and the lock is free
    assert sorted(one.name for one in tmp_path.iterdir()) == [".keys.json.lock", "keys.json"]


def test_a_folder_in_its_place_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "keys.json").mkdir()
    file = KeysDocumentFile(tmp_path / "keys.json")
    for _ in range(2):
        with pytest.raises(StorageError, match="cannot be read"):
            file.current()
