"""Accounts that signed in by the command `login`, and are kept here for gateway keys (spec 15)."""

from enum import StrEnum

from msgspec import Struct
from typing_extensions import override

from service.vocabulary.credentials import CODEX_PREFIX, UpstreamKind, fingerprint

_ID_LENGTH = 16
_MASK = "***"


class Issuer(StrEnum):
    """Who signed an account in: an account of one is never sent to the other."""

    OPENAI = "openai"
    DEMO = "demo"


class StoredAccount(Struct, frozen=True):
    """One login.

    `refresh_token` is the one that the login gave, and stands for all that came of it since: what
    is known of a token is kept under a hash of it. `created_at` is in seconds since 1970.
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
        """The name of this person's account, the same after another login."""
        person = self.user_id or self.email
        return fingerprint(f"{self.issuer} {self.account_id} {person}")[:_ID_LENGTH]

    @property
    def token(self) -> str:
        """The token of the credential, with the word that says which upstream it is for."""
        return f"{CODEX_PREFIX}{self.refresh_token}"

    @property
    def token_key(self) -> str:
        """The hash under which all about the token is kept."""
        return fingerprint(self.token)

    @property
    def masked_email(self) -> str:
        """The address as it may be shown: `a***@example.org`."""
        local, at, host = self.email.rpartition("@")
        return f"{local[:1]}{_MASK}@{host}" if at else f"{self.email[:1]}{_MASK}"

    @override
    def __repr__(self) -> str:
        """Never show the token, nor whose it is."""
        return f"StoredAccount({self.id})"
