"""Accounts that signed in by the command `login`, stored here for gateway keys (spec 15)."""

from enum import StrEnum

from msgspec import Struct
from typing_extensions import override

from service.vocabulary.credentials import CODEX_PREFIX, UpstreamKind, fingerprint

_ID_LENGTH = 16
_MASK = "***"


class Issuer(StrEnum):
    """The service that signed an account in; tokens of one are never sent to another."""

    OPENAI = "openai"
    DEMO = "demo"


class StoredAccount(Struct, frozen=True):
    """The record of one login.

    `refresh_token` is the first one, which the login gave. It names the account for good: all later
    tokens are stored under its hash. `created_at` is in seconds since 1970.
    """

    name: str
    email: str
    plan: str
    account_id: str
    user_id: str
    issuer: Issuer
    refresh_token: str
    created_at: int
    upstream: UpstreamKind = UpstreamKind.CODEX

    @property
    def id(self) -> str:
        """The id of the person's account, the same after another login."""
        person = self.user_id or self.email
        return fingerprint(f"{self.issuer} {self.account_id} {person}")[:_ID_LENGTH]

    @property
    def token(self) -> str:
        """The token of the credential, with the prefix of its upstream."""
        return f"{CODEX_PREFIX}{self.refresh_token}"

    @property
    def token_key(self) -> str:
        """The hash under which the account's tokens are stored."""
        return fingerprint(self.token)

    @property
    def masked_email(self) -> str:
        """The address as it may be shown: `a***@example.org`."""
        local, at, host = self.email.rpartition("@")
        return f"{local[:1]}{_MASK}@{host}" if at else f"{self.email[:1]}{_MASK}"

    @override
    def __repr__(self) -> str:
        """Never show the token or the address."""
        return f"StoredAccount({self.id})"
