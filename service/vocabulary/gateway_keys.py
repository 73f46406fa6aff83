"""Keys of this gateway's own, for bots and friends who shall not hold a token (`server.keys_file`).

A key is `sk-gw-`, eight characters that name it, and a secret of 256 bits. Only its SHA-256 is
kept: nobody guesses 256 bits, so a slow hash would cost time and protect nothing.
"""

import hashlib
import re
import secrets
import string
from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from service.vocabulary.credentials import GATEWAY_KEY_PREFIX as PREFIX
from service.vocabulary.credentials import Credential
from service.vocabulary.errors import NotFoundError

FOREIGN_PREFIX = "sk-"  # of OpenAI's API keys, Anthropic's (`sk-ant-`) and others'
_ID_CHARS = string.ascii_lowercase + string.digits
_SECRET_CHARS = string.ascii_letters + string.digits
_ID_LENGTH, _SECRET_LENGTH = 8, 43  # 62 ** 43 is over 2 ** 256
_MAX_NAME_CHARS = 255  # of a refused name, quoted
_KEY = re.compile(rf"{PREFIX}([a-z0-9]{{{_ID_LENGTH}}})[A-Za-z0-9]{{{_SECRET_LENGTH}}}")


class GatewayKey(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is kept of a key.

    `digest` is its SHA-256 in hexadecimal, `credential` what it stands for, sealed;
    `created_at` is in seconds since 1970. A limit of 0 is none, and so are no `models`.
    `shows_account`: its holder may see the limits of the account that it stands for.
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


class KeyTerms(Struct, frozen=True):
    """What a new key is called, and what it may do."""

    name: str
    requests_per_minute: int = 0
    concurrent_requests: int = 0
    models: tuple[str, ...] = ()
    shows_account: bool = False


class Granted(Struct, frozen=True):
    """A key that is good, and the credential that it stands for."""

    key: GatewayKey
    credential: Credential


class GatewayKeys(Protocol):
    """The keys that are good now."""

    def find(self, text: str) -> Granted:
        """Return what a key that was sent is good for.

        Raises:
            AuthError: it is unknown, or was revoked.
            StorageError: the keys, or the credential of this one, cannot be read.
        """


def new_key() -> str:
    """Return a key that nobody has."""
    return (
        PREFIX
        + "".join(secrets.choice(_ID_CHARS) for _ in range(_ID_LENGTH))
        + "".join(secrets.choice(_SECRET_CHARS) for _ in range(_SECRET_LENGTH))
    )


def is_gateway_key(text: str) -> bool:
    """Return whether this is to be taken for a key of this gateway, good or not."""
    return text.startswith(PREFIX)


def holds_gateway_key(text: str) -> bool:
    """Return whether a key of this gateway is in there, whatever is around it, in any case."""
    return PREFIX in text.lower()


def is_foreign_key(text: str) -> bool:
    """Return whether this is to be taken for a key of another service's API."""
    return text.lower().startswith(FOREIGN_PREFIX)


def key_id(text: str) -> str | None:
    """Return the name in a key, None if it has not the form of one."""
    found = _KEY.fullmatch(text)
    return found[1] if found else None


def digest_of(text: str) -> str:
    """Return what is kept of a key in place of it."""
    return hashlib.sha256(text.encode()).hexdigest()


def check_model(allowed: Sequence[str], asked: str | None) -> None:
    """Let a key that is limited to some models ask for these only.

    Args:
        allowed: the models of the key; where there are none it may ask for any.
        asked: the name as the caller sent it, whatever stands in for it; None for none.

    Raises:
        NotFoundError: for this key there is no such model.
    """
    if not allowed or asked in allowed:
        return
    known = ", ".join(f"'{name}'" for name in allowed)
    message = (
        f"The model '{(asked or '')[:_MAX_NAME_CHARS]}' does not exist or you do not have "
        f"access to it; this key may use {known}."
    )
    raise NotFoundError(message, code="model_not_found", param="model")
