"""The cipher, and the file that holds its secret."""

import subprocess
import sys
from pathlib import Path

import pytest

from service.vocabulary.errors import StorageError
from storage.secrets.cipher import Cipher, load_or_create_secret
from tests.rows import each_row


@each_row("secret", [b"x", b"secret", bytes(range(256)) * 10])
def test_any_secret_opens_what_it_sealed(secret: bytes) -> None:
    for value in (b"", b"token", bytes(range(256))):
        sealed = Cipher(secret).encrypt(value)
        assert Cipher(secret).decrypt(sealed) == value
        assert value == b"" or value not in sealed


def test_the_same_value_is_never_sealed_alike() -> None:
    assert Cipher(b"s").encrypt(b"token") != Cipher(b"s").encrypt(b"token")


def test_what_is_foreign_or_changed_opens_as_nothing() -> None:
    cipher = Cipher(b"secret")
    sealed = cipher.encrypt(b"token")
    assert cipher.decrypt(Cipher(b"other").encrypt(b"token")) is None
    assert cipher.decrypt(b"") is None
    assert cipher.decrypt(b"\xff\x00 not base64") is None
    assert cipher.decrypt(b'{"access_token": "eyJhb"}') is None
    for place in range(0, len(sealed), 7):
        changed = bytearray(sealed)
        changed[place] = ord("A") if changed[place] != ord("A") else ord("B")
        assert cipher.decrypt(bytes(changed)) is None
    assert cipher.decrypt(sealed[:-4]) is None


def test_what_an_old_secret_sealed_opens_and_can_be_sealed_anew() -> None:
    old, new = Cipher(b"old"), Cipher(b"new", [b"older", b"old"])
    sealed = old.encrypt(b"token")
    assert new.decrypt(sealed) == b"token"
    renewed = new.renewed(sealed)
    assert renewed is not None
    assert Cipher(b"new").decrypt(renewed) == b"token"
    assert old.decrypt(renewed) is None
    for other in (renewed, Cipher(b"foreign").encrypt(b"token"), b"nonsense"):
        assert new.renewed(other) is None
    with pytest.raises(ValueError, match="empty"):
        Cipher(b"new", [b""])


def test_an_empty_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        Cipher(b"")


def test_a_secret_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "secret"
    secret = load_or_create_secret(path)
    assert len(secret) >= 32
    assert load_or_create_secret(path) == secret
    assert path.stat().st_mode & 0o777 == 0o600
    assert [part.name for part in path.parent.iterdir()] == ["secret"]
    assert load_or_create_secret(tmp_path / "other") != secret


def test_a_secret_that_others_may_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("written by the operator\n")
    path.chmod(0o644)
    assert load_or_create_secret(path) == b"written by the operator"
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_empty_file_is_not_a_secret(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("\n")
    with pytest.raises(StorageError, match="empty"):
        load_or_create_secret(tmp_path / "secret")


def test_a_place_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="secret"):
        load_or_create_secret(tmp_path / "file" / "secret")


MAKER = """
import sys
from pathlib import Path
from storage.secrets.cipher import load_or_create_secret
sys.stdin.readline()
sys.stdout.write(load_or_create_secret(Path(sys.argv[1])).decode())
"""


@pytest.mark.whole
def test_processes_that_start_together_agree_on_one_secret(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MAKER, str(tmp_path / "secret")]
    root = Path(__file__).parents[3]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    processes = [subprocess.Popen(command, cwd=root, **pipes) for _ in range(4)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    secrets = {process.communicate()[0] for process in processes}
    assert len(secrets) == 1
    assert secrets == {load_or_create_secret(tmp_path / "secret")}
