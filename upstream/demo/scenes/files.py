"""Files of the demo: uploaded by callers, or made by scenarios (protocol 6.1, 6.3)."""

import mimetypes
import secrets
import string
import time

import msgspec
from aiohttp import web

MAX_KEPT_BYTES = 64 * 1024 * 1024
"""Larger uploads are measured but not kept: the demo holds all in memory."""
DEFAULT_TYPE = "application/octet-stream"
KEPT_FILES = 2_000
KEPT_BYTES = 512 * 1024 * 1024
"""Over either, the oldest files are forgotten."""
_ALNUM = string.ascii_letters + string.digits


class StoredFile(msgspec.Struct, kw_only=True):
    """One file; uploads fill it step by step."""

    id: str
    owner: str
    """The account it belongs to; others do not see it."""
    name: str
    size: int
    media_type: str = DEFAULT_TYPE
    use_case: str = "multimodal"
    content: bytes | None = None
    received_bytes: int = -1
    """What the PUT brought; -1 before it."""
    is_uploaded: bool = False
    polls: int = 0
    created_at: float = msgspec.field(default_factory=time.time)


class Files:
    """All files, by id, and the sandbox paths that scenarios made."""

    def __init__(self) -> None:
        self._by_id: dict[str, StoredFile] = {}
        self.sandbox: dict[tuple[str, str, str], str] = {}
        """Ids by conversation, message and path."""
        self._asked_paths: set[tuple[str, str]] = set()

    def find(self, file_id: str) -> StoredFile | None:
        """Return the file with an id, whoever owns it."""
        return self._by_id.get(file_id)

    def owned(self, owner: str, file_id: str) -> StoredFile | None:
        """Return the file with an id, if it is this account's."""
        found = self._by_id.get(file_id)
        return found if found and found.owner == owner else None

    def expect(self, owner: str, name: str, size: int) -> StoredFile:
        """Make room for an upload."""
        return self._keep(StoredFile(id=_file_id(22), owner=owner, name=name, size=size))

    def make(self, owner: str, name: str, content: bytes, *, is_native: bool = False) -> str:
        """Keep a generated file; return its id, of the native form (`sediment://`) if asked."""
        file_id = f"file_{secrets.token_hex(16)}" if is_native else _file_id(24)
        stored = StoredFile(id=file_id, owner=owner, name=name, size=len(content))
        stored.content, stored.received_bytes, stored.is_uploaded = content, len(content), True
        stored.media_type = mimetypes.guess_type(name)[0] or DEFAULT_TYPE
        return self._keep(stored).id

    def is_first_ask(self, message_id: str, path: str) -> bool:
        """Tell whether this sandbox path is asked for the first time."""
        is_first = (message_id, path) not in self._asked_paths
        self._asked_paths.add((message_id, path))
        return is_first

    def _keep(self, stored: StoredFile) -> StoredFile:
        self._by_id[stored.id] = stored
        while len(self._by_id) > KEPT_FILES or self._kept_bytes() > KEPT_BYTES:
            del self._by_id[next(iter(self._by_id))]
        return stored

    def _kept_bytes(self) -> int:
        return sum(len(one.content or b"") for one in self._by_id.values())


FILES: web.AppKey[Files] = web.AppKey("FILES", Files)


def _file_id(length: int) -> str:
    return "file-" + "".join(secrets.choice(_ALNUM) for _ in range(length))
