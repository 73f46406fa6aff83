"""The records and ports of what the admin pages manage: sign-ins, accounts and keys (spec 17).

Methods of `ManagedKeys` and `ManagedAccounts` that write block, since they write a file.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from msgspec import Struct
from typing_extensions import override

from service.vocabulary.credentials import Credential
from service.vocabulary.gateway_keys import GatewayKey, KeyTerms, StoredAccount


class SignInState(StrEnum):
    """How far a sign-in has come; all states but the first are its end."""

    WAITING = "waiting"
    SIGNED_IN = "signed_in"
    FAILED = "failed"
    ENDED = "ended"  # by the operator


class SignIn(Struct, frozen=True):
    """A sign-in by device code.

    The person opens `address` on any device and types in `user_code` before `expires_at`, in
    seconds since 1970. `account` is the id of the account that signed in, and `problem` the reason
    why none did, in one sentence.
    """

    id: str
    user_code: str
    address: str
    expires_at: float
    state: SignInState = SignInState.WAITING
    account: str | None = None
    problem: str | None = None

    @override
    def __repr__(self) -> str:
        """Never show the code."""
        return f"SignIn({self.id}, {self.state})"


class SignIns(Protocol):
    """Signing accounts in and out; a sign-in ends in the background."""

    async def begin(self, name: str | None) -> SignIn:
        """Begin a sign-in; `name` is for the account, None keeps the one it has or makes one.

        Raises:
            RequestError: another account has the name.
            QueueFullError: too many are waiting.
            UpstreamError: the issuer gives no code.
            StorageError: the state store or the file of keys fails.
        """

    async def find(self, sign_in_id: str) -> SignIn | None:
        """Return a sign-in as it is now, None if there is none or it ended long ago."""

    async def end(self, sign_in_id: str) -> None:
        """End a sign-in that is waiting; whoever types its code in later is not signed in."""

    async def is_over(self, account: StoredAccount) -> bool:
        """Tell whether an account's login is known to have ended, so that it has to sign in again."""

    async def remove(self, account: StoredAccount, *, keeps_tokens: bool) -> None:
        """Revoke an account's tokens unless they are kept, and remove the account; its keys stay.

        Raises:
            UpstreamError: the tokens could not be revoked, and nothing was removed.
            StorageError: the file of keys cannot be read or written.
        """


class ManagedAccounts(Protocol):
    """The accounts that signed in."""

    def listing(self) -> Sequence[StoredAccount]:
        """Return all accounts, the oldest first.

        Raises:
            StorageError: they cannot be read.
        """

    def find(self, account_id: str) -> StoredAccount | None:
        """Return the account of this id, or None.

        Raises:
            StorageError: they cannot be read.
        """


class ManagedKeys(Protocol):
    """The gateway keys."""

    @property
    def accounts(self) -> ManagedAccounts:
        """The accounts that keys may stand for."""

    def listing(self) -> Sequence[GatewayKey]:
        """Return all keys, the oldest first.

        Raises:
            StorageError: they cannot be read.
        """

    def account_of(self, key: GatewayKey) -> str | None:
        """Return the id of the account that a key stands for, None for a token.

        Raises:
            StorageError: its credential cannot be read.
        """

    def credential_of(self, account: StoredAccount) -> Credential:
        """Return the credential of an account.

        Raises:
            AuthError: it signed in at an issuer that this gateway does not speak to.
        """

    def add_for_account(self, terms: KeyTerms, account: StoredAccount) -> str:
        """Make a key for an account and return its text, which is stored nowhere. Blocks.

        Raises:
            ValueError: there is a key of this name already.
            StorageError: the keys cannot be read or written.
        """

    def change(self, key_id: str, terms: KeyTerms) -> GatewayKey:
        """Give a key other terms and return its record. Blocks.

        Raises:
            ValueError: there is no such key, or another one has the name.
            StorageError: the keys cannot be read or written.
        """

    def revoke(self, which: str) -> GatewayKey:
        """Remove the key with this id or name and return its record. Blocks.

        Raises:
            ValueError: there is no such key.
            StorageError: the keys cannot be read or written.
        """
