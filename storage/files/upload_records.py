"""Records and names of uploads, the same in both stores (openai-wire 9).

    uploads/<owner>/file-<24 random characters>         the bytes
    uploads/<owner>/file-<24 random characters>.json    the record; a file exists once it is there

Owners and ids are made here; nothing that a caller wrote becomes part of a name.
"""

import re
import secrets
import string
import time
from collections.abc import Iterable

import msgspec

from service.vocabulary.requests import LocalFile, Upload
from storage.files.retention import KeptFile

FOLDER = "uploads"
RECORD = ".json"
STALE_SECONDS = 3600.0  # half of a pair this old has lost its writer: no request takes as long
_ID_CHARS = string.ascii_letters + string.digits
_ID_LENGTH = 24
_ID = re.compile(rf"file-[A-Za-z0-9]{{{_ID_LENGTH}}}", re.ASCII)
_OWNER = re.compile(r"[0-9a-f]{32}", re.ASCII)


def new_upload(file: LocalFile, purpose: str, keep_seconds: float) -> Upload:
    """Return the record of a received file, with an unguessable id."""
    now = time.time()
    return Upload(
        id="file-" + "".join(secrets.choice(_ID_CHARS) for _ in range(_ID_LENGTH)),
        name=file.name,
        media_type=file.media_type,
        size_bytes=file.size_bytes,
        sha256=file.sha256,
        purpose=purpose,
        created_at=now,
        expires_at=now + keep_seconds,
    )


def is_id(name: str) -> bool:
    """Tell whether this text has the form of an id that `new_upload` makes."""
    return _ID.fullmatch(name) is not None


def is_owner(name: str) -> bool:
    """Tell whether this text is an owner: 32 hexadecimal digits."""
    return _OWNER.fullmatch(name) is not None


def checked_owner(owner: str) -> str:
    """Return the owner unchanged if it is one.

    Raises:
        ValueError: it is not.
    """
    if not is_owner(owner):
        raise ValueError("an owner is 32 hexadecimal digits")
    return owner


def decoded(record: bytes | None) -> Upload | None:
    """Return the record, or None if it is missing or of another version."""
    if record is None:
        return None
    try:
        return msgspec.json.decode(record, type=Upload)
    except msgspec.MsgspecError:
        return None


def is_alive(upload: Upload | None) -> bool:
    """Tell whether there is an upload that has not expired."""
    return upload is not None and upload.expires_at > time.time()


def newest_first(uploads: Iterable[Upload]) -> list[Upload]:
    """Return the uploads that have not expired, the newest first."""
    alive = filter(is_alive, uploads)
    return sorted(alive, key=lambda upload: (upload.created_at, upload.id), reverse=True)


def kept_file(key: str, upload: Upload) -> KeptFile:
    """Return the upload as a sweep sees it; `key` is the key of its bytes."""
    return KeptFile(key, upload.created_at, upload.size_bytes, expires_at=upload.expires_at)
