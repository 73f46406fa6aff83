"""Keys of this gateway's own, for users who are not given a token (`server.keys_file`).

A key is `sk-gw-`, an id of eight characters, and a secret of 256 bits: `sk-gw-a1B2c3D4` and 43 more
letters and digits. Only its SHA-256 is kept; a slow hash is not needed, since 256 random bits
cannot be guessed. A key may stand for an account that signed in by the command `login` (spec 15).
"""

import hashlib
import re
import secrets
import string
from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from msgspec import Struct
from typing_extensions import override

from service.vocabulary.credentials import (
    CODEX_PREFIX,
    NO_BUDGETS,
    Budgets,
    Credential,
    UpstreamKind,
    fingerprint,
)
from service.vocabulary.credentials import GATEWAY_KEY_PREFIX as PREFIX
from service.vocabulary.errors import NotFoundError

FOREIGN_PREFIX = "sk-"  # of OpenAI's API keys, Anthropic's (`sk-ant-`) and others'
_ID_CHARS = string.ascii_lowercase + string.digits
_SECRET_CHARS = string.ascii_letters + string.digits
_ID_LENGTH, _SECRET_LENGTH = 8, 43  # 62 ** 43 is over 2 ** 256
_MAX_NAME_CHARS = 255  # of a refused name that an error quotes
_KEY = re.compile(rf"{PREFIX}([a-z0-9]{{{_ID_LENGTH}}})[A-Za-z0-9]{{{_SECRET_LENGTH}}}")
_ACCOUNT_ID_LENGTH = 16
_MASK = "***"


class GatewayKey(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The stored record of a key.

    `digest` is its SHA-256 in hexadecimal, `credential` the encrypted credential that it stands
    for; `created_at` is in seconds since 1970. A limit of 0 means no limit, and empty `models` mean
    any. `shows_account`: its holder may see the limits of the account behind it.
    """

    id: str
    name: str
    digest: str
    credential: str
    created_at: int
    requests_per_minute: int = 0
    concurrent_requests: int = 0
    models: tuple[str, ...] = ()
    shows_account: bool = False
    budgets: Budgets = NO_BUDGETS


class KeyTerms(Struct, frozen=True):
    """The name and the limits of a new key."""

    name: str
    requests_per_minute: int = 0
    concurrent_requests: int = 0
    models: tuple[str, ...] = ()
    shows_account: bool = False
    budgets: Budgets = NO_BUDGETS


class Granted(Struct, frozen=True):
    """A valid key and the credential that it stands for."""

    key: GatewayKey
    credential: Credential


class GatewayKeys(Protocol):
    """The keys that are valid now."""

    def find(self, text: str) -> Granted:
        """Return the record and the credential of a key.

        Raises:
            AuthError: it is unknown, or was revoked.
            StorageError: the keys, or the credential of this one, cannot be read.
        """


def new_key() -> str:
    """Return a new random key."""
    return (
        PREFIX
        + "".join(secrets.choice(_ID_CHARS) for _ in range(_ID_LENGTH))
        + "".join(secrets.choice(_SECRET_CHARS) for _ in range(_SECRET_LENGTH))
    )


def is_gateway_key(text: str) -> bool:
    """Tell whether a text has the prefix of this gateway's keys, valid or not."""
    return text.startswith(PREFIX)


def holds_gateway_key(text: str) -> bool:
    """Tell whether a text contains a key of this gateway, in upper or lower case."""
    return PREFIX in text.lower()


def is_foreign_key(text: str) -> bool:
    """Tell whether a text looks like an API key of another service."""
    return text.lower().startswith(FOREIGN_PREFIX)


def key_id(text: str) -> str | None:
    """Return the id inside a key, None if the text has not the form of a key."""
    found = _KEY.fullmatch(text)
    return found[1] if found else None


def digest_of(text: str) -> str:
    """Return the SHA-256 of a key in hexadecimal, which is stored in its place."""
    return hashlib.sha256(text.encode()).hexdigest()


def check_model(allowed: Sequence[str], asked: str | None) -> None:
    """Refuse a model that a key limited to some models may not ask for.

    Args:
        allowed: the models of the key; empty allows any.
        asked: the name as the caller sent it, before aliases; None if it named none.

    Raises:
        NotFoundError: the key may not use this model.
    """
    if not allowed or asked in allowed:
        return
    known = ", ".join(f"'{name}'" for name in allowed)
    message = (
        f"The model '{(asked or '')[:_MAX_NAME_CHARS]}' does not exist or you do not have "
        f"access to it; this key may use {known}."
    )
    raise NotFoundError(message, code="model_not_found", param="model")


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
        return fingerprint(f"{self.issuer} {self.account_id} {person}")[:_ACCOUNT_ID_LENGTH]

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
