"""The keys that protect stored tokens and sign links, and the secret they come from."""

import base64
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from service.vocabulary.errors import StorageError

SECRET_BYTES = 32
_PURPOSE = b"backend-to-v1 state"


class Cipher:
    """Encrypt and authenticate small values (Fernet) with a key derived from any secret.

    Args:
        secret: seals, and opens.
        old_secrets: open what was sealed before there was this secret.

    Raises:
        ValueError: a secret is empty.
    """

    def __init__(self, secret: bytes, old_secrets: Sequence[bytes] = ()) -> None:
        self._fernet = _fernet(secret)
        self._old = [_fernet(old) for old in old_secrets]

    def encrypt(self, value: bytes) -> bytes:
        """Return the value as nobody without the secret can read or make it."""
        return self._fernet.encrypt(value)

    def decrypt(self, sealed: bytes) -> bytes | None:
        """Return the value, or None when it is not one of ours or was changed."""
        for fernet in (self._fernet, *self._old):
            with suppress(InvalidToken):
                return fernet.decrypt(sealed)
        return None

    def renewed(self, sealed: bytes) -> bytes | None:
        """Return anew what an old secret sealed, or None when it need not or cannot be."""
        for fernet in self._old:
            with suppress(InvalidToken):
                return self.encrypt(fernet.decrypt(sealed))
        return None


def _fernet(secret: bytes) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(derived_key(secret, _PURPOSE)))


def derived_key(secret: bytes, purpose: bytes) -> bytes:
    """Return a key of 32 bytes; another purpose of the same secret has another key.

    Raises:
        ValueError: the secret is empty.
    """
    if not secret:
        raise ValueError("The secret that protects stored tokens is empty.")
    return HKDF(SHA256(), length=32, salt=None, info=purpose).derive(secret)


def load_or_create_secret(path: Path) -> bytes:
    """Return the secret in the file; the first process to come makes it. Blocks.

    The file gets mode 600, and a file that others may read is closed to them.

    Raises:
        StorageError: it cannot be read or made, or it is empty.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _create(path)
        if path.stat().st_mode & 0o077:
            with suppress(OSError):  # a mounted secret is often read-only
                path.chmod(0o600)
        secret = path.read_bytes().strip()
    except OSError as exc:
        message = f"The secret {path} cannot be read or made: {exc.strerror or exc}"
        raise StorageError(message) from exc
    if not secret:
        message = f"The secret {path} is empty; delete the file to have a new one made"
        raise StorageError(message)
    return secret


def _create(path: Path) -> None:
    """Write a temporary file and link it, so that nobody ever reads half a secret."""
    temporary = path.with_name(f".{path.name}.{token_hex(8)}")
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(token_hex(SECRET_BYTES).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another process was first, and its secret counts
            path.hardlink_to(temporary)
    finally:
        temporary.unlink()
