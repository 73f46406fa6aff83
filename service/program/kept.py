"""What is kept between runs: the secret, the file of keys, and the tokens of accounts.

The gateway and its commands open it alike.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from service.ports import StateStore
from service.settings.config import Config
from service.vocabulary.gateway_keys import Issuer
from storage.secrets.cipher import Cipher, load_or_create_secret
from storage.secrets.key_file import KeyFile
from storage.state.journal import FileJournal
from storage.state.store import open_state
from upstream.tokens.cache import TokenCache, TokenStores

DATA = Path("data")
SECRET_FILE = DATA / "secret.key"


def open_key_file(config: Config) -> KeyFile:
    """Return the file of gateway keys and accounts, for commands that write it. Blocks.

    Raises:
        StorageError: the secret cannot be read or created.
    """
    return key_file(config, cipher_of(config))


def key_file(config: Config, cipher: Cipher) -> KeyFile:
    """Return the file of gateway keys and accounts."""
    return KeyFile(Path(config.server.keys_file), cipher, issuer_of(config))


def issuer_of(config: Config) -> Issuer:
    """Return the issuer of the accounts that sign in with these settings."""
    return Issuer.DEMO if config.is_codex_demo else Issuer.OPENAI


@asynccontextmanager
async def open_tokens(config: Config) -> AsyncIterator[TokenCache]:
    """Open the stored tokens of accounts, for the commands that sign in and out."""
    state = open_state(config.storage.state, lambda _: None, is_alone=False)
    try:
        stores = token_stores(config, state, cipher_of(config), open_key_file(config))
        yield TokenCache(stores, time.time)
    finally:
        await state.close()


def token_stores(config: Config, state: StateStore, cipher: Cipher, file: KeyFile) -> TokenStores:
    """Return the places where tokens are kept."""
    return TokenStores(state, FileJournal(journal_folder(config)), cipher, file.accounts)


def journal_folder(config: Config) -> Path:
    """Return the folder of the journal, where rotated tokens wait for the store."""
    for place in (config.storage.state, config.storage.blobs):
        kind, _, path = place.partition(":")
        if kind in ("sqlite", "file"):
            return (Path(path).parent if kind == "sqlite" else Path(path)) / "tokens"
    return DATA / "tokens"


def cipher_of(config: Config) -> Cipher:
    """Return the cipher of stored values, with the secret of the settings or that in `data/`. Blocks.

    Raises:
        StorageError: the secret cannot be read or created.
    """
    return Cipher(secret_of(config), old_secrets(config))


def secret_of(config: Config) -> bytes:
    """Return the secret of the settings, or the one stored in `data/`. Blocks.

    Raises:
        StorageError: it cannot be read or created.
    """
    given = config.tokens.secret
    if given is not None and given.get_secret_value():
        return given.get_secret_value().encode()
    return load_or_create_secret(SECRET_FILE)


def old_secrets(config: Config) -> list[bytes]:
    """Return the secrets that may still protect stored values."""
    return [old.get_secret_value().encode() for old in config.tokens.old_secrets]
