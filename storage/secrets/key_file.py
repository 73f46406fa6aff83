"""Gateway keys in the file of keys: written by commands, read by every process.

The credential that a key stands for is sealed together with the key's hash. Whoever can write the
file but lacks the secret therefore cannot attach a stored credential to a key of their own.
"""

import hmac
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from service.vocabulary.credentials import Credential
from service.vocabulary.errors import WRONG_KEY, AuthError, StorageError
from service.vocabulary.gateway_keys import (
    GatewayKey,
    Granted,
    Issuer,
    KeyTerms,
    StoredAccount,
    digest_of,
    key_id,
    new_key,
)
from storage.secrets.account_file import AccountFile
from storage.secrets.cipher import Cipher
from storage.secrets.keys_document import KeysDocument, KeysDocumentFile

_log = logging.getLogger("gateway.keys")

_NO_DIGEST = "0" * 64  # compared with an unknown key, which then takes as long as a known one
_ISSUERS = {Issuer.OPENAI: "OpenAI", Issuer.DEMO: "the built-in demo"}
SIGN_IN = "sign in again: python -m service login"


class _Sealed(Struct, frozen=True, omit_defaults=True):
    """The credential of a key, before it is sealed: a token, or a stored account by its id."""

    digest: str
    token: str
    account_id: str | None
    stored_account: str | None = None


class KeyFile:
    """The keys and accounts in a file, which need not exist yet.

    Args:
        path: of the file.
        cipher: seals the credentials.
        issuer: of the accounts that may be used; accounts of other issuers are never sent to it.
    """

    def __init__(self, path: Path, cipher: Cipher, issuer: Issuer = Issuer.OPENAI) -> None:
        self._document = KeysDocumentFile(path)
        self._cipher = cipher
        self._issuer = issuer
        self._seen: KeysDocument | None = None
        self._keys: dict[str, GatewayKey] = {}  # the keys seen last, by id
        self._opened: dict[str, _Sealed] = {}
        self.accounts = AccountFile(self._document, cipher)

    def find(self, text: str) -> Granted:
        """Return the key's terms and its credential; see the port."""
        key = self._current().get(key_id(text) or "")
        expected = key.digest if key else _NO_DIGEST
        is_same = hmac.compare_digest(expected.encode(), digest_of(text).encode())
        if key is None or not is_same:
            raise AuthError(f"{WRONG_KEY} This gateway knows no such key, or it was revoked.")
        return Granted(key, self._credential(key))

    def listing(self) -> list[GatewayKey]:
        """Return all keys, the oldest first.

        Raises:
            StorageError: the file cannot be read.
        """
        return sorted(self._current().values(), key=lambda key: key.created_at)

    def account_of(self, key: GatewayKey) -> str | None:
        """Return the id of the stored account that a key stands for, None for a token.

        Raises:
            StorageError: the credential cannot be read.
        """
        return self._open(key).stored_account

    def credential_of(self, account: StoredAccount) -> Credential:
        """Return the credential of a stored account.

        Raises:
            AuthError: another issuer signed it in than this gateway speaks to.
        """
        if account.issuer is not self._issuer:
            message = (
                f"{WRONG_KEY} The account that this key stands for signed in at "
                f"{_ISSUERS[account.issuer]}, and this gateway speaks to {_ISSUERS[self._issuer]}; "
                f"{SIGN_IN}"
            )
            raise AuthError(message)
        account_id = account.account_id or None
        return Credential(account.token, account_id, stored_account=account.id)

    def add(self, terms: KeyTerms, credential: Credential) -> str:
        """Make a key for a credential and return its text, which is stored nowhere. Blocks.

        Raises:
            ValueError: there is a key of this name already.
            StorageError: the file cannot be read or written.
        """
        digest = digest_of(text := new_key())
        sealed = _Sealed(digest, credential.token, credential.account_id)
        self._add(text, terms, sealed)
        return text

    def add_for_account(self, terms: KeyTerms, account: StoredAccount) -> str:
        """Make a key for a stored account and whatever tokens it has when the key is used."""
        digest = digest_of(text := new_key())
        self._add(text, terms, _Sealed(digest, "", None, account.id))
        return text

    def change(self, key_id: str, terms: KeyTerms) -> GatewayKey:
        """Give the key with this id other terms and return its record. Blocks.

        Raises:
            ValueError: there is no such key, or another one has the name.
            StorageError: the file cannot be read or written.
        """
        found: list[GatewayKey] = []

        def changed(document: KeysDocument) -> KeysDocument:
            old = _chosen(document.keys, key_id)
            others = [key for key in document.keys if key is not old]
            _refuse_taken(others, terms.name)
            new = structs.replace(old, **structs.asdict(terms))
            found.append(new)
            keys = tuple(new if key is old else key for key in document.keys)
            return structs.replace(document, keys=keys)

        self._document.change(changed)
        return found[0]

    def revoke(self, which: str) -> GatewayKey:
        """Remove the key with this id or name and return its record. Blocks.

        Raises:
            ValueError: there is no such key.
            StorageError: the file cannot be read or written.
        """
        gone: list[GatewayKey] = []

        def changed(document: KeysDocument) -> KeysDocument:
            key = _chosen(document.keys, which)
            gone.append(key)
            left = tuple(other for other in document.keys if other is not key)
            return structs.replace(document, keys=left)

        self._document.change(changed)
        return gone[0]

    def renew(self) -> int:
        """Seal anew what an old secret had sealed; return for how many entries. Blocks.

        Raises:
            StorageError: the file cannot be read or written.
        """
        renewed = self._renewed(self._document.current())[1]
        if renewed:  # else the file, which may be read-only, is not written
            self._document.change(lambda document: self._renewed(document)[0])
        return renewed

    # --- what a key stands for ---------------------------------------------------------

    def _current(self) -> dict[str, GatewayKey]:
        document = self._document.current()
        if document is not self._seen:
            self._keys = {key.id: key for key in document.keys}
            self._seen, self._opened = document, {}
        return self._keys

    def _credential(self, key: GatewayKey) -> Credential:
        sealed = self._open(key)
        if sealed.stored_account is None:
            return _granted(key, Credential(sealed.token, sealed.account_id))
        account = self.accounts.find(sealed.stored_account)
        if account is None:
            message = f"{WRONG_KEY} The account that this key stood for was removed; {SIGN_IN}"
            raise AuthError(message)
        return _granted(key, self.credential_of(account))

    def _open(self, key: GatewayKey) -> _Sealed:
        if (found := self._opened.get(key.id)) is not None:
            return found
        value = self._cipher.decrypt(key.credential.encode())
        with suppress(msgspec.DecodeError):
            sealed = msgspec.json.decode(value or b"", type=_Sealed)
            if hmac.compare_digest(sealed.digest, key.digest):
                self._opened[key.id] = sealed
                return sealed
        _log.error("the credential of key %s was not sealed for it with this secret", key.id)
        raise StorageError("What this key stands for cannot be read; the gateway's log says why.")

    # --- writing -------------------------------------------------------------------------

    def _add(self, text: str, terms: KeyTerms, sealed: _Sealed) -> None:
        key = GatewayKey(
            id=key_id(text) or "",
            name=terms.name,
            digest=sealed.digest,
            credential=self._cipher.encrypt(msgspec.json.encode(sealed)).decode(),
            created_at=int(time.time()),
            requests_per_minute=terms.requests_per_minute,
            concurrent_requests=terms.concurrent_requests,
            models=terms.models,
            shows_account=terms.shows_account,
            budgets=terms.budgets,
        )

        def changed(document: KeysDocument) -> KeysDocument:
            _refuse_taken(document.keys, terms.name)
            return structs.replace(document, keys=(*document.keys, key))

        self._document.change(changed)

    def _renewed(self, document: KeysDocument) -> tuple[KeysDocument, int]:
        keys = [(key, self._renewed_key(key)) for key in document.keys]
        accounts = [(one, self.accounts.renewed(one)) for one in document.accounts]
        renewed = KeysDocument(
            tuple(new or old for old, new in keys), tuple(new or old for old, new in accounts)
        )
        return renewed, sum(new is not None for _, new in (*keys, *accounts))

    def _renewed_key(self, key: GatewayKey) -> GatewayKey | None:
        sealed = self._cipher.renewed(key.credential.encode())
        return structs.replace(key, credential=sealed.decode()) if sealed is not None else None


def _granted(key: GatewayKey, credential: Credential) -> Credential:
    """Return a credential as the key's holder uses it."""
    return structs.replace(
        credential,
        gateway_key=key.digest,
        models=key.models,
        sees_account=key.shows_account,
        budgets=key.budgets,
    )


def _refuse_taken(keys: Sequence[GatewayKey], name: str) -> None:
    if any(key.name == name for key in keys):
        message = f"there is a key '{name}' already"
        raise ValueError(message)


def _chosen(keys: Sequence[GatewayKey], which: str) -> GatewayKey:
    for key in keys:
        if which in (key.id, key.name):
            return key
    message = f"there is no key '{which}'"
    raise ValueError(message)
