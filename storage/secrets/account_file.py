"""The accounts that signed in, in the file of keys; implements `AccountTokens`.

An account's data and its last tokens are each sealed together with the account's id. Whoever can
write the file but lacks the secret therefore cannot give one account another's tokens.
"""

import asyncio
import hmac
import logging
from contextlib import suppress
from typing import TypeVar

import msgspec
from msgspec import Struct, structs

from service.vocabulary.errors import StorageError
from service.vocabulary.gateway_keys import StoredAccount
from storage.secrets.cipher import Cipher
from storage.secrets.keys_document import KeysDocument, KeysDocumentFile, SealedAccount

_log = logging.getLogger("gateway.keys")


class _Who(Struct, frozen=True):
    """An account, before it is sealed."""

    id: str
    account: StoredAccount


class _Tokens(Struct, frozen=True):
    """The last tokens of an account, before they are sealed; `key` is that of their login."""

    id: str
    key: str
    value: msgspec.Raw


_Sealed = TypeVar("_Sealed", _Who, _Tokens)


class AccountFile:
    """The accounts in a file of keys.

    Args:
        document: the file.
        cipher: seals accounts and tokens.
    """

    def __init__(self, document: KeysDocumentFile, cipher: Cipher) -> None:
        self._document = document
        self._cipher = cipher
        self._opened: dict[str, StoredAccount] = {}  # by their sealed form

    def listing(self) -> list[StoredAccount]:
        """Return all accounts, the oldest first.

        Raises:
            StorageError: the file, or an account in it, cannot be read.
        """
        accounts = map(self._open, self._document.current().accounts)
        return sorted(accounts, key=lambda account: account.created_at)

    def named(self, name: str) -> StoredAccount:
        """Return the account of this name.

        Raises:
            ValueError: there is none.
            StorageError: the file cannot be read.
        """
        found = next((account for account in self.listing() if account.name == name), None)
        if found is None:
            message = f"there is no account '{name}'; `accounts list` shows those that there are"
            raise ValueError(message)
        return found

    def find(self, account_id: str) -> StoredAccount | None:
        """Return the account of this id, or None.

        Raises:
            StorageError: the file, or this account, cannot be read.
        """
        for sealed in self._document.current().accounts:
            if sealed.id == account_id:
                return self._open(sealed)
        return None

    def keep(self, account: StoredAccount, tokens: bytes) -> None:
        """Add an account, or replace the login of an earlier one. Blocks.

        Args:
            account: to add.
            tokens: its last tokens, as JSON.

        Raises:
            StorageError: the file cannot be read or written.
        """
        own = self._sealed(account, tokens)

        def changed(document: KeysDocument) -> KeysDocument:
            others = [one for one in document.accounts if one.id != account.id]
            return structs.replace(document, accounts=(*others, own))

        self._document.change(changed)

    def remove(self, account_id: str) -> None:
        """Remove an account; the keys for it stay. Blocks.

        Raises:
            StorageError: the file cannot be read or written.
        """

        def changed(document: KeysDocument) -> KeysDocument:
            left = tuple(one for one in document.accounts if one.id != account_id)
            return structs.replace(document, accounts=left)

        self._document.change(changed)

    # --- the tokens, by the hash of the one that stands for them ---------------------

    async def keys(self) -> list[str]:
        """Return the hashes of the refresh tokens of all accounts."""
        with suppress(StorageError):  # it is logged
            return [account.token_key for account in self.listing()]
        return []

    async def get(self, key: str) -> bytes | None:
        """Return an account's last tokens as JSON, by the hash of its refresh token, or None."""
        with suppress(StorageError):
            for sealed in self._document.current().accounts:
                if self._open(sealed).token_key == key:
                    return self._tokens(sealed, key)
        return None

    async def put(self, key: str, value: bytes) -> bool:
        """Keep the last tokens of an account, if the hash belongs to one.

        Returns False only if they should be in the file and could not be written.
        """
        try:
            await asyncio.to_thread(self._put, key, value)
        except StorageError as error:
            _log.warning("an account's new token is not in the file of keys: %s", error)
            return False
        return True

    def _put(self, key: str, value: bytes) -> None:
        def changed(document: KeysDocument) -> KeysDocument:
            accounts = tuple(
                self._sealed(account, value) if account.token_key == key else sealed
                for sealed in document.accounts
                for account in [self._open(sealed)]
            )
            return structs.replace(document, accounts=accounts)

        if key in {self._open(sealed).token_key for sealed in self._document.current().accounts}:
            self._document.change(changed)

    # --- sealing ----------------------------------------------------------------------

    def renewed(self, sealed: SealedAccount) -> SealedAccount | None:
        """Return the account sealed anew if an old secret had sealed it, else None."""
        who = self._cipher.renewed(sealed.sealed.encode())
        tokens = self._cipher.renewed(sealed.tokens.encode())
        if who is None and tokens is None:
            return None
        return SealedAccount(
            sealed.id,
            who.decode() if who is not None else sealed.sealed,
            tokens.decode() if tokens is not None else sealed.tokens,
        )

    def _sealed(self, account: StoredAccount, tokens: bytes) -> SealedAccount:
        who = _Who(account.id, account)
        told = _Tokens(account.id, account.token_key, msgspec.Raw(tokens))
        return SealedAccount(
            account.id,
            self._cipher.encrypt(msgspec.json.encode(who)).decode(),
            self._cipher.encrypt(msgspec.json.encode(told)).decode(),
        )

    def _open(self, sealed: SealedAccount) -> StoredAccount:
        found = self._opened.get(sealed.sealed)
        if found is None:
            who = self._read(sealed.sealed, _Who)
            if who is None or not hmac.compare_digest(who.id, sealed.id):
                _log.error("account %s was not sealed with this secret", sealed.id)
                message = "The accounts of this gateway cannot be read; its log says why."
                raise StorageError(message)
            found = self._opened[sealed.sealed] = who.account
            if len(self._opened) > 2 * len(self._document.current().accounts) + 1:
                self._opened = {sealed.sealed: found}  # changes leave older sealed forms behind
        return found

    def _tokens(self, sealed: SealedAccount, key: str) -> bytes | None:
        tokens = self._read(sealed.tokens, _Tokens)
        is_its_own = tokens is not None and (tokens.id, tokens.key) == (sealed.id, key)
        return bytes(tokens.value) if tokens is not None and is_its_own else None

    def _read(self, sealed: str, kind: type[_Sealed]) -> _Sealed | None:
        value = self._cipher.decrypt(sealed.encode())
        with suppress(msgspec.DecodeError):
            return msgspec.json.decode(value or b"", type=kind)
        return None
