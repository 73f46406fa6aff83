"""What a login leaves behind: a stored account with its tokens, and how both go again."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
from msgspec import structs

from service.vocabulary.gateway_keys import Issuer, StoredAccount
from upstream.login.exchange import SignedIn, revoke
from upstream.login.issuer import LoginError, LoginIssuer
from upstream.tokens.cache import Exchanged, Known, TokenCache

DEFAULT_NAME = "codex"
_ISSUERS = {Issuer.OPENAI: "OpenAI", Issuer.DEMO: "the built-in demo"}


class AccountStore(Protocol):
    """Where the accounts are; its methods block."""

    def listing(self) -> Sequence[StoredAccount]:
        """Return all accounts, the oldest first."""

    def find(self, account_id: str) -> StoredAccount | None:
        """Return the account of this id, or None."""

    def keep(self, account: StoredAccount, tokens: bytes) -> None:
        """Add an account, or replace the login of an earlier one."""

    def remove(self, account_id: str) -> None:
        """Remove an account."""


class TakenNameError(ValueError):
    """Another account has the name."""


class LoginAccounts:
    """The accounts of one issuer. All its methods raise StorageError for a file that fails.

    Args:
        store: where they are.
        tokens: their tokens.
        issuer: of the accounts that sign in now.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        store: AccountStore,
        tokens: TokenCache,
        issuer: Issuer,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._issuer = issuer
        self._clock = clock

    async def check_name(self, name: str, account_id: str = "") -> None:
        """Check that the name is free, or that of the account with this id.

        Raises:
            TakenNameError: it is another account's.
        """
        if name in await self._taken(account_id):
            message = f"another account has the name '{name}'"
            raise TakenNameError(message)

    async def keep(self, signed_in: SignedIn, name: str | None) -> StoredAccount:
        """Store an account, in place of an earlier login of the same person.

        Args:
            signed_in: the person who signed in.
            name: for the account; None keeps the old name, or makes one.

        Raises:
            TakenNameError: another account has the name.
        """
        account = self._account(signed_in)
        earlier = await asyncio.to_thread(self._store.find, account.id)
        if name is not None:
            await self.check_name(name, account.id)
        taken = await self._taken(account.id)
        named = name or (earlier.name if earlier else free_name(DEFAULT_NAME, taken))
        account = structs.replace(account, name=named)
        grant = signed_in.grant
        known = Known(Exchanged(grant.access_token, self._clock(), grant.expires_at))
        await asyncio.to_thread(self._store.keep, account, msgspec.json.encode(known))
        if earlier is not None and earlier.token_key != account.token_key:
            await self._tokens.forget(earlier.token_key)
        return account

    async def known(self, account: StoredAccount) -> Known:
        """Return the tokens of an account."""
        return await self._tokens.read(account.token_key)

    async def end(self, account: StoredAccount, issuer: LoginIssuer) -> None:
        """End the login of an account, by the refresh token that is valid now.

        Raises:
            LoginError: it could not be ended; it says what to do.
        """
        if account.issuer is not self._issuer:
            where = _ISSUERS[account.issuer]
            message = f"It signed in at {where}, which is not where these settings lead."
            raise LoginError(message)
        known = await self.known(account)
        await revoke(
            issuer, known.rotated.refresh_token if known.rotated else account.refresh_token
        )

    async def remove(self, account: StoredAccount) -> None:
        """Remove an account and its tokens here; its keys stay."""
        await asyncio.to_thread(self._store.remove, account.id)
        await self._tokens.forget(account.token_key)

    async def _taken(self, account_id: str) -> set[str]:
        accounts = await asyncio.to_thread(self._store.listing)
        return {one.name for one in accounts if one.id != account_id}

    def _account(self, signed_in: SignedIn) -> StoredAccount:
        return StoredAccount(
            name="",
            email=signed_in.email,
            plan=signed_in.account.plan,
            account_id=signed_in.account.account_id,
            user_id=signed_in.user_id,
            issuer=self._issuer,
            refresh_token=signed_in.refresh_token,
            created_at=int(self._clock()),
        )


def free_name(name: str, taken: set[str]) -> str:
    """Return the name, or the first of `name-2`, `name-3`, … that is free."""
    numbered = (f"{name}-{number}" for number in range(2, len(taken) + 3))
    return next(one for one in (name, *numbered) if one not in taken)
