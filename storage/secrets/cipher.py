"""The gateway's secret, and the keys derived from it that seal stored tokens and sign links."""

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
    """Encrypts and authenticates small values (Fernet) with a key derived from any secret.

    Args:
        secret: seals new values, and opens them.
        old_secrets: open values that were sealed before the present secret.

    Raises:
        ValueError: a secret is empty.
    """

    def __init__(self, secret: bytes, old_secrets: Sequence[bytes] = ()) -> None:
        self._fernet = _fernet(secret)
        self._old = [_fernet(old) for old in old_secrets]

    def encrypt(self, value: bytes) -> bytes:
        """Return the value sealed: without the secret it can be neither read nor forged."""
        return self._fernet.encrypt(value)

    def decrypt(self, sealed: bytes) -> bytes | None:
        """Return the opened value, or None if it was sealed with a foreign secret or changed."""
        for fernet in (self._fernet, *self._old):
            with suppress(InvalidToken):
                return fernet.decrypt(sealed)
        return None

    def renewed(self, sealed: bytes) -> bytes | None:
        """Return the value sealed anew if an old secret had sealed it, else None."""
        for fernet in self._old:
            with suppress(InvalidToken):
                return self.encrypt(fernet.decrypt(sealed))
        return None


def _fernet(secret: bytes) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(derived_key(secret, _PURPOSE)))


def derived_key(secret: bytes, purpose: bytes) -> bytes:
    """Return a key of 32 bytes; each purpose gets another key from the same secret.

    Raises:
        ValueError: the secret is empty.
    """
    if not secret:
        raise ValueError("The secret that protects stored tokens is empty.")
    return HKDF(SHA256(), length=32, salt=None, info=purpose).derive(secret)


def load_or_create_secret(path: Path) -> bytes:
    """Return the secret in the file; the first process to come creates it. Blocks.

    The file has mode 600; a looser mode is tightened.

    Raises:
        StorageError: it cannot be read or created, or it is empty.
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
    """Write a temporary file and link it to the path, so that no process reads half a secret."""
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
