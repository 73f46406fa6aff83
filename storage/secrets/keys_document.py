"""The file behind `server.keys_file`, with gateway keys and accounts, read and replaced as a whole.

Each use first looks at the file's status, which costs microseconds. So a change counts from the
next request on, in all processes and without a signal. The file is never changed in place: a reader
sees the old file or the new one.

    {"keys": [{"id": "k3…", "name": "bot", "digest": "9f…", "credential": "gAAAA…", …}],
     "accounts": [{"id": "5e…", "sealed": "gAAAA…", "tokens": "gAAAA…"}]}
"""

import fcntl
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

import msgspec
from msgspec import Struct

from service.vocabulary.errors import StorageError
from service.vocabulary.gateway_keys import GatewayKey

_log = logging.getLogger("gateway.keys")

_Identity = tuple[int, int, int]


class SealedAccount(Struct, frozen=True, forbid_unknown_fields=True):
    """An account as it is stored: its data and its last tokens, both sealed."""

    id: str
    sealed: str
    tokens: str


class KeysDocument(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The whole file."""

    keys: tuple[GatewayKey, ...] = ()
    accounts: tuple[SealedAccount, ...] = ()


class KeysDocumentFile:
    """The document in a file, which need not exist yet. Threads may share it.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reading = threading.Lock()
        self._identity: _Identity | None = None
        self._document: KeysDocument | None = KeysDocument()

    def current(self) -> KeysDocument:
        """Return the document, reading the file again if it has changed.

        Raises:
            StorageError: the file cannot be read, or is none of ours.
        """
        with self._reading:
            try:
                identity = _identity(self._path)
                if identity != self._identity:
                    self._document = self._read() if identity else KeysDocument()
                    self._identity = identity
            except OSError as error:
                self._identity = None
                message = "The keys of this gateway cannot be read; its log says why."
                _log.error("%s cannot be read: %s", self._path, error.strerror)
                raise StorageError(message) from error
            if self._document is None:  # the file was damaged when it was read
                raise StorageError("The keys of this gateway cannot be read; its log says why.")
            return self._document

    def change(self, changed: Callable[[KeysDocument], KeysDocument]) -> None:
        """Replace the document by a changed one, one process at a time. Blocks.

        Raises:
            StorageError: the file cannot be read or written.
        """
        with self._exclusive():
            self._write(changed(self.current()))

    def _read(self) -> KeysDocument | None:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=KeysDocument)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            _log.error("%s is no file of keys: %s", self._path, error)
            return None

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Hold a file lock, so that two commands at once do not lose each other's change."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            lock = self._path.with_name(f".{self._path.name}.lock")
            descriptor = os.open(lock, os.O_CREAT | os.O_RDWR, 0o600)
            with suppress(PermissionError):  # so that root does not lock the gateway out
                like = self._path.parent.stat()
                os.fchown(descriptor, like.st_uid, like.st_gid)
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _write(self, document: KeysDocument) -> None:
        """Replace the file by a new one with the same owner and mode 600."""
        temporary = self._path.with_name(f".{self._path.name}.{token_hex(8)}")
        try:
            like = (self._path if self._path.exists() else self._path.parent).stat()
            descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                with suppress(PermissionError):  # only root may change the owner
                    os.fchown(descriptor, like.st_uid, like.st_gid)
                file.write(msgspec.json.format(msgspec.json.encode(document)) + b"\n")
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
