"""The file of gateway keys."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.vocabulary.credentials import Credential
from service.vocabulary.errors import AuthError, StorageError
from service.vocabulary.gateway_keys import KeyTerms, digest_of, new_key
from storage.secrets.cipher import Cipher
from storage.secrets.key_file import KeyFile

TOKEN = "a-refresh-token-that-nobody-may-see"
CREDENTIAL = Credential(TOKEN, "team-1")
SECRET = b"the secret of a test"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "below" / "keys.json"


@pytest.fixture
def keys(path: Path) -> KeyFile:
    return KeyFile(path, Cipher(SECRET))


def change(path: Path, **fields: object) -> None:
    """Change the first key in the file, as with an editor."""
    tree = json.loads(path.read_bytes())
    tree["keys"][0] |= fields
    path.write_text(json.dumps(tree))


def test_a_key_stands_for_its_credential(keys: KeyFile) -> None:
    text = keys.add(KeyTerms("bot", 60, 2, ("gpt-4o",)), CREDENTIAL)
    granted = keys.find(text)
    assert (granted.credential.token, granted.credential.account_id) == (TOKEN, "team-1")
    assert granted.credential.gateway_key == digest_of(text)
    assert granted.credential.models == ("gpt-4o",)
    assert (granted.key.name, granted.key.requests_per_minute) == ("bot", 60)
    assert granted.key.concurrent_requests == 2


def test_neither_key_nor_credential_is_in_the_file_which_is_for_its_owner_only(
    keys: KeyFile, path: Path
) -> None:
    text = keys.add(KeyTerms("bot"), CREDENTIAL)
    content = path.read_text()
    assert text not in content
    assert text[14:] not in content
    assert TOKEN not in content
    assert "team-1" not in content
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(one.name for one in path.parent.iterdir()) == [".keys.json.lock", "keys.json"]


def test_keys_of_one_credential_own_by_themselves(keys: KeyFile) -> None:
    one, two = (keys.find(keys.add(KeyTerms(name), CREDENTIAL)).credential for name in ("a", "b"))
    assert len({one.owner, two.owner, CREDENTIAL.owner}) == 3
    assert one.fingerprint == two.fingerprint == CREDENTIAL.fingerprint
    # Someone who has read the file cannot claim to be an owner by sending parts of it.
    forged = Credential("gateway", f"key-{one.gateway_key}")
    assert forged.owner != one.owner


@pytest.mark.parametrize(
    "forged",
    [
        lambda _: new_key(),
        lambda text: text[:14] + new_key()[14:],  # the id of an existing key
        lambda text: text[:-1],
        lambda text: f"{text}x",
        lambda _: "sk-gw-",
        digest_of,
    ],
)
def test_another_key_is_a_401(keys: KeyFile, forged) -> None:
    text = keys.add(KeyTerms("bot"), CREDENTIAL)
    with pytest.raises(AuthError, match="Incorrect API key provided") as caught:
        keys.find(forged(text))
    assert text not in caught.value.message


def test_without_a_file_there_are_no_keys(keys: KeyFile) -> None:
    assert keys.listing() == []
    with pytest.raises(AuthError):
        keys.find(new_key())


def test_a_change_counts_at_once_also_for_others(keys: KeyFile, path: Path) -> None:
    gateway = KeyFile(path, Cipher(SECRET))
    with pytest.raises(AuthError):
        gateway.find(new_key())
    one, two = keys.add(KeyTerms("one"), CREDENTIAL), keys.add(KeyTerms("two"), CREDENTIAL)
    assert gateway.find(one).key.name == "one"
    assert keys.revoke("one").name == "one"
    with pytest.raises(AuthError):
        gateway.find(one)
    change(path, requests_per_minute=7)
    assert gateway.find(two).key.requests_per_minute == 7
    assert keys.revoke(gateway.find(two).key.id).name == "two"
    with pytest.raises(AuthError):
        gateway.find(two)
    last = keys.add(KeyTerms("two"), CREDENTIAL)  # the name is free again
    assert gateway.find(last)
    path.unlink()
    with pytest.raises(AuthError):
        gateway.find(last)


def test_keys_are_listed_in_the_order_they_were_made_in(keys: KeyFile, path: Path) -> None:
    for name in ("one", "two"):
        keys.add(KeyTerms(name), CREDENTIAL)
    change(path, created_at=9_999_999_999)
    assert [key.name for key in keys.listing()] == ["two", "one"]


def test_a_name_is_given_once_and_only_what_is_there_is_revoked(keys: KeyFile, path: Path) -> None:
    keys.add(KeyTerms("bot"), CREDENTIAL)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="there is a key 'bot' already"):
        keys.add(KeyTerms("bot"), CREDENTIAL)
    with pytest.raises(ValueError, match="there is no key 'other'"):
        keys.revoke("other")
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"keys": [{}]}', '{"keys": 1}', '{"kys": []}', "\xff", "keys:\n"]
)
def test_a_file_that_is_none_lets_nobody_in_and_is_not_the_key_s_fault(
    keys: KeyFile, path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    text = keys.add(KeyTerms("bot"), CREDENTIAL)
    good = path.read_bytes()
    path.write_text(content, "latin-1")
    for _ in range(3):
        with pytest.raises(StorageError, match="its log says why"):
            keys.find(text)
    assert len(caplog.records) == 1
    with pytest.raises(StorageError):
        keys.add(KeyTerms("other"), CREDENTIAL)
    assert path.read_bytes() == content.encode("latin-1")
    path.write_bytes(good)
    assert keys.find(text)


def test_a_file_that_cannot_be_read_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    keys = KeyFile(tmp_path / "file" / "keys.json", Cipher(SECRET))
    with pytest.raises(StorageError):
        keys.find(new_key())
    with pytest.raises(StorageError, match="cannot be written"):
        keys.add(KeyTerms("bot"), CREDENTIAL)


def test_another_secret_opens_nothing(
    keys: KeyFile, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = keys.add(KeyTerms("bot"), CREDENTIAL)
    with pytest.raises(StorageError, match="cannot be read"):
        KeyFile(path, Cipher(b"another")).find(text)
    assert "was not sealed for it with this secret" in caplog.text
    assert text not in caplog.text


def test_what_an_old_secret_sealed_is_sealed_anew_once(keys: KeyFile, path: Path) -> None:
    text = keys.add(KeyTerms("bot", 60), CREDENTIAL)
    before = path.read_bytes()
    rotating = KeyFile(path, Cipher(b"new", [SECRET]))
    assert rotating.find(text).credential.token == TOKEN
    assert path.read_bytes() == before
    assert (rotating.renew(), rotating.renew()) == (1, 0)
    granted = KeyFile(path, Cipher(b"new")).find(text)
    assert (granted.credential.token, granted.key.requests_per_minute) == (TOKEN, 60)
    with pytest.raises(StorageError):
        keys.find(text)


def test_without_a_file_there_is_nothing_to_seal_anew(keys: KeyFile, path: Path) -> None:
    assert keys.renew() == 0
    assert not path.parent.exists()


def test_who_can_write_the_file_cannot_give_himself_a_credential_in_it(
    keys: KeyFile, path: Path
) -> None:
    keys.add(KeyTerms("bot"), CREDENTIAL)
    mine = new_key()
    change(path, id=mine[6:14], digest=digest_of(mine))
    with pytest.raises(StorageError):
        keys.find(mine)


ADDER = """
import sys
from pathlib import Path
from service.vocabulary.credentials import Credential
from service.vocabulary.gateway_keys import KeyTerms
from storage.secrets.key_file import KeyFile
from storage.secrets.cipher import Cipher
keys = KeyFile(Path(sys.argv[1]), Cipher(b"s"))
sys.stdin.readline()
for number in range(20):
    keys.add(KeyTerms(f"{sys.argv[2]}-{number}"), Credential("token"))
"""


@pytest.mark.whole
def test_commands_at_the_same_time_lose_nothing(path: Path) -> None:
    root = Path(__file__).parents[3]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ADDER, str(path), str(number)], cwd=root, stdin=subprocess.PIPE
        )
        for number in range(3)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(KeyFile(path, Cipher(b"s")).listing()) == 60


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_what_root_adds_can_be_read_by_whom_the_directory_belongs_to(
    keys: KeyFile, path: Path
) -> None:
    path.parent.mkdir()
    os.chown(path.parent, 10001, 10001)
    keys.add(KeyTerms("bot"), CREDENTIAL)
    assert (path.stat().st_uid, path.stat().st_gid) == (10001, 10001)
