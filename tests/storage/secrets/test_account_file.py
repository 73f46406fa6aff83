"""Accounts in the file of keys, and the keys for them."""

import json
from pathlib import Path

import pytest
from msgspec import structs

from service.vocabulary.errors import AuthError, StorageError
from service.vocabulary.gateway_keys import Issuer, KeyTerms, StoredAccount
from storage.secrets.cipher import Cipher
from storage.secrets.key_file import KeyFile

SECRET = b"the secret of a test"
ANNA = StoredAccount(
    name="anna-s",
    email="anna.canary@example.org",
    plan="plus",
    account_id="account-canary",
    user_id="user-canary",
    issuer=Issuer.DEMO,
    refresh_token="rt-canary",
    created_at=100,
)
BO = structs.replace(ANNA, name="bo-s", user_id="user-2", refresh_token="rt-2", created_at=50)
TOKENS = b'{"exchanged":"access-canary"}'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@pytest.fixture
def file(path: Path) -> KeyFile:
    file = KeyFile(path, Cipher(SECRET), Issuer.DEMO)
    file.accounts.keep(ANNA, TOKENS)
    return file


def content_of(path: Path) -> bytes:
    return path.read_bytes()


def exchange(path: Path, field: str) -> None:
    """Swap a field of the two accounts, as with an editor."""
    tree = json.loads(path.read_bytes())
    one, two = tree["accounts"]
    one[field], two[field] = two[field], one[field]
    path.write_text(json.dumps(tree))


def test_it_is_kept_listed_found_and_removed(file: KeyFile, path: Path) -> None:
    file.accounts.keep(BO, b"{}")
    other = KeyFile(path, Cipher(SECRET)).accounts
    assert other.listing() == [BO, ANNA]  # the oldest first
    assert other.named("anna-s") == other.find(ANNA.id) == ANNA
    file.accounts.remove(ANNA.id)
    assert other.listing() == [BO]
    assert other.find(ANNA.id) is None
    with pytest.raises(ValueError, match="no account 'anna-s'"):
        other.named("anna-s")


def test_nothing_of_whom_it_is_stands_in_the_file(file: KeyFile, path: Path) -> None:
    file.add_for_account(KeyTerms("bot"), ANNA)
    content = path.read_text()
    for secret in ("canary", "example.org", "plus", "demo"):
        assert secret not in content


def test_another_login_takes_the_place_of_the_first_and_keys_go_on(file: KeyFile) -> None:
    text = file.add_for_account(KeyTerms("bot", 7, shows_account=True), ANNA)
    assert file.find(text).credential.token == "codex:rt-canary"
    again = structs.replace(ANNA, refresh_token="rt-of-another-login", plan="pro")
    file.accounts.keep(again, b"{}")
    granted = file.find(text)
    assert file.accounts.listing() == [again]
    assert granted.credential.token == "codex:rt-of-another-login"
    assert granted.credential.account_id == "account-canary"
    assert granted.credential.stored_account == ANNA.id
    assert granted.key.shows_account
    assert file.account_of(granted.key) == ANNA.id


def test_a_key_of_an_account_that_is_gone_says_what_to_do(file: KeyFile) -> None:
    text = file.add_for_account(KeyTerms("bot"), ANNA)
    file.accounts.remove(ANNA.id)
    with pytest.raises(AuthError, match="was removed; sign in again: python -m service login"):
        file.find(text)
    file.accounts.keep(ANNA, TOKENS)
    assert file.find(text)


@pytest.mark.parametrize("issuer", list(Issuer))
def test_an_account_goes_to_its_own_issuer_alone(path: Path, issuer: Issuer) -> None:
    other = next(one for one in Issuer if one is not issuer)
    mine = KeyFile(path, Cipher(SECRET), issuer)
    account = structs.replace(ANNA, issuer=issuer)
    mine.accounts.keep(account, TOKENS)
    text = mine.add_for_account(KeyTerms("bot"), account)
    assert mine.find(text)
    with pytest.raises(AuthError, match="sign in again: python -m service login") as caught:
        KeyFile(path, Cipher(SECRET), other).find(text)
    assert "signed in at" in caught.value.message
    assert "canary" not in caught.value.message


async def test_its_tokens_are_found_by_the_one_of_the_login(file: KeyFile, path: Path) -> None:
    accounts = file.accounts
    assert await accounts.keys() == [ANNA.token_key]
    assert await accounts.get(ANNA.token_key) == TOKENS
    assert await accounts.get("0" * 32) is None
    assert await accounts.put(ANNA.token_key, b'{"rotated": 1}')
    other = KeyFile(path, Cipher(SECRET)).accounts
    assert await other.get(ANNA.token_key) == b'{"rotated": 1}'
    before = content_of(path)
    assert await accounts.put("0" * 32, b"{}")  # of no account, so there is nothing to keep
    assert content_of(path) == before


async def test_who_can_write_the_file_cannot_exchange_two_accounts(
    file: KeyFile, path: Path
) -> None:
    file.accounts.keep(BO, b"{}")
    exchange(path, "tokens")
    assert await file.accounts.get(ANNA.token_key) is None
    exchange(path, "sealed")
    with pytest.raises(StorageError):
        file.accounts.listing()
    assert await file.accounts.keys() == []


async def test_what_cannot_be_written_is_said_and_not_raised(
    file: KeyFile, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (path.parent / ".keys.json.lock").unlink(missing_ok=True)
    (path.parent / ".keys.json.lock").mkdir()
    assert not await file.accounts.put(ANNA.token_key, b"{}")
    assert "cannot be written" in caplog.text
    assert await file.accounts.get(ANNA.token_key) == TOKENS


async def test_what_an_old_secret_sealed_is_sealed_anew_once(file: KeyFile, path: Path) -> None:
    text = file.add_for_account(KeyTerms("bot"), ANNA)
    rotating = KeyFile(path, Cipher(b"new", [SECRET]), Issuer.DEMO)
    assert (rotating.renew(), rotating.renew()) == (2, 0)
    renewed = KeyFile(path, Cipher(b"new"), Issuer.DEMO)
    assert renewed.find(text).credential.token == ANNA.token
    assert await renewed.accounts.get(ANNA.token_key) == TOKENS
