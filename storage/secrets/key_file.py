"""The file of gateway keys (`server.keys_file`): written by a command, read by every process.

Each use of a key first looks at the file's status, which costs microseconds. So a change counts
from the next request on, in all processes and without a signal.

The credential that a key stands for is sealed together with the key's hash. Whoever can write the
file but lacks the secret therefore cannot attach a stored credential to a key of their own.
"""

import fcntl
import hmac
import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

import msgspec
from msgspec import Struct, structs

from service.vocabulary.credentials import Credential
from service.vocabulary.errors import WRONG_KEY, AuthError, StorageError
from service.vocabulary.gateway_keys import (
    GatewayKey,
    Granted,
    KeyTerms,
    digest_of,
    key_id,
    new_key,
)
from storage.secrets.cipher import Cipher

_log = logging.getLogger("gateway.keys")

_NO_DIGEST = "0" * 64  # compared with an unknown key, which then takes as long as a known one
_Identity = tuple[int, int, int]


class _Sealed(Struct, frozen=True):
    """The credential of a key, before it is sealed."""

    digest: str
    token: str
    account_id: str | None


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    keys: tuple[GatewayKey, ...] = ()


class KeyFile:
    """The keys in a file; it need not exist yet.

    Args:
        path: of the file.
        cipher: seals the credentials.
    """

    def __init__(self, path: Path, cipher: Cipher) -> None:
        self._path = path
        self._cipher = cipher
        self._identity: _Identity | None = None
        self._keys: dict[str, GatewayKey] | None = {}
        self._opened: dict[str, Credential] = {}

    def find(self, text: str) -> Granted:
        """Return the key's terms and its credential; see the port."""
        keys = self._current()
        key = keys.get(key_id(text) or "")
        expected = key.digest if key else _NO_DIGEST
        is_same = hmac.compare_digest(expected.encode(), digest_of(text).encode())
        if key is None or not is_same:
            raise AuthError(f"{WRONG_KEY} This gateway knows no such key, or it was revoked.")
        return Granted(key, self._credential(key))

    def listing(self) -> list[GatewayKey]:
        """Return all keys, the oldest first.

        Raises:
            StorageError: the file cannot be read.
        """
        return sorted(self._current().values(), key=lambda key: key.created_at)

    def add(self, terms: KeyTerms, credential: Credential) -> str:
        """Make a key for a credential and return its text, which is stored nowhere. Blocks.

        Raises:
            ValueError: there is a key of this name already.
            StorageError: the file cannot be read or written.
        """
        text = new_key()
        digest = digest_of(text)
        with self._exclusive():
            keys = self.listing()
            if any(key.name == terms.name for key in keys):
                message = f"there is a key '{terms.name}' already"
                raise ValueError(message)
            key = GatewayKey(
                id=key_id(text) or "",
                name=terms.name,
                digest=digest,
                credential=self._seal(digest, credential),
                created_at=int(time.time()),
                requests_per_minute=terms.requests_per_minute,
                concurrent_requests=terms.concurrent_requests,
                models=terms.models,
            )
            self._write([*keys, key])
        return text

    def revoke(self, which: str) -> GatewayKey:
        """Remove the key with this id or name and return its record. Blocks.

        Raises:
            ValueError: there is no such key.
            StorageError: the file cannot be read or written.
        """
        with self._exclusive():
            keys = self.listing()
            for key in keys:
                if which in (key.id, key.name):
                    self._write([other for other in keys if other is not key])
                    return key
        message = f"there is no key '{which}'"
        raise ValueError(message)

    def renew(self) -> int:
        """Seal anew what an old secret had sealed; return for how many keys. Blocks.

        Raises:
            StorageError: the file cannot be read or written.
        """
        if not any(self._renewed(key) for key in self.listing()):
            return 0  # without writing: the file may be read-only
        with self._exclusive():
            changed = [(key, self._renewed(key)) for key in self.listing()]
            self._write([renewed or key for key, renewed in changed])
            return sum(renewed is not None for _, renewed in changed)

    # --- reading ------------------------------------------------------------------

    def _current(self) -> dict[str, GatewayKey]:
        """Return the keys by id, reading the file again if it has changed."""
        try:
            identity = _identity(self._path)
            if identity != self._identity:
                self._identity, self._keys, self._opened = identity, None, {}
                self._keys = self._read() if identity else {}
        except OSError as error:
            self._identity = None
            message = "The keys of this gateway cannot be read; its log says why."
            _log.error("%s cannot be read: %s", self._path, error.strerror)
            raise StorageError(message) from error
        if self._keys is None:  # the file was damaged when it was read
            raise StorageError("The keys of this gateway cannot be read; its log says why.")
        return self._keys

    def _read(self) -> dict[str, GatewayKey] | None:
        try:
            file = msgspec.json.decode(self._path.read_bytes(), type=_File)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            _log.error("%s is no file of keys: %s", self._path, error)
            return None
        return {key.id: key for key in file.keys}

    def _credential(self, key: GatewayKey) -> Credential:
        found = self._opened.get(key.id)
        if found is None:
            sealed = self._open(key)
            found = Credential(sealed.token, sealed.account_id, key.digest, key.models)
            self._opened[key.id] = found
        return found

    def _open(self, key: GatewayKey) -> _Sealed:
        value = self._cipher.decrypt(key.credential.encode())
        with suppress(msgspec.DecodeError):
            sealed = msgspec.json.decode(value or b"", type=_Sealed)
            if hmac.compare_digest(sealed.digest, key.digest):
                return sealed
        _log.error("the credential of key %s was not sealed for it with this secret", key.id)
        raise StorageError("What this key stands for cannot be read; the gateway's log says why.")

    # --- writing ------------------------------------------------------------------

    def _renewed(self, key: GatewayKey) -> GatewayKey | None:
        sealed = self._cipher.renewed(key.credential.encode())
        return structs.replace(key, credential=sealed.decode()) if sealed is not None else None

    def _seal(self, digest: str, credential: Credential) -> str:
        sealed = _Sealed(digest, credential.token, credential.account_id)
        return self._cipher.encrypt(msgspec.json.encode(sealed)).decode()

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Hold a file lock, so that two commands at once do not lose each other's change."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            lock = self._path.with_name(f".{self._path.name}.lock")
            descriptor = os.open(lock, os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _write(self, keys: Sequence[GatewayKey]) -> None:
        """Replace the file by a new one with the same owner and mode 600."""
        temporary = self._path.with_name(f".{self._path.name}.{token_hex(8)}")
        try:
            like = (self._path if self._path.exists() else self._path.parent).stat()
            descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                with suppress(PermissionError):  # only root may change the owner
                    os.fchown(descriptor, like.st_uid, like.st_gid)
                file.write(msgspec.json.format(msgspec.json.encode(_File(tuple(keys)))) + b"\n")
                file.flush()
                os.fsync(descriptor)
            temporary.replace(self._path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> StorageError:
        message = f"The file of keys {self._path} cannot be written: {error.strerror}"
        return StorageError(message)


def _identity(path: Path) -> _Identity | None:
    """Return inode, time and size, which differ when the file was changed; None without a file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
