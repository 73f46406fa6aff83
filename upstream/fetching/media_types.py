"""The media type of a file: by its content, else as claimed, else plain text (spec 8)."""

import mimetypes
import re
import zipfile
import zlib
from io import BytesIO
from pathlib import Path

HEAD_BYTES = 4096  # of a file are examined; a zip archive is read as a whole
PLAIN_TEXT = "text/plain"
_UNKNOWN = frozenset({"application/octet-stream", "binary/octet-stream", "application/unknown"})
_MEDIA_TYPE = re.compile(r"[a-z0-9][\w.+-]*/[\w.+-]+", re.ASCII)
_ZIP_START = b"PK\x03\x04"

# Offset, bytes and type of formats with a fixed beginning.
_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (8, b"WAVE", "audio/wav"),
    (8, b"AVI ", "video/x-msvideo"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (0, b"\x00\x00\x01\x00", "image/x-icon"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftypheic", "image/heic"),
    (4, b"ftypmif1", "image/heif"),
    (4, b"ftypM4A", "audio/mp4"),
    (4, b"ftypqt", "video/quicktime"),
    (4, b"ftyp", "video/mp4"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"{\\rtf", "application/rtf"),
    (0, b"\x1f\x8b", "application/gzip"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (0, b"SQLite format 3\x00", "application/vnd.sqlite3"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"OggS", "audio/ogg"),
    (0, b"fLaC", "audio/flac"),
    # MP3 and AAC without tags begin with a frame. A byte order mark (ff fe) is none of these.
    (0, b"\xff\xfa", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"\xff\xf2", "audio/mpeg"),
    (0, b"\xff\xf3", "audio/mpeg"),
    (0, b"\xff\xe3", "audio/mpeg"),
    (0, b"\xff\xf1", "audio/aac"),
    (0, b"\xff\xf9", "audio/aac"),
    (0, b"\x00\x00\x01\xba", "video/mpeg"),
    (0, b"\x1a\x45\xdf\xa3", "video/webm"),
    (0, b"PAR1", "application/vnd.apache.parquet"),
)
_RIFF_TYPES = frozenset({"image/webp", "audio/wav", "video/x-msvideo"})
_OFFICE = "application/vnd.openxmlformats-officedocument"
_OFFICE_FOLDERS = {
    "word/": f"{_OFFICE}.wordprocessingml.document",
    "ppt/": f"{_OFFICE}.presentationml.presentation",
    "xl/": f"{_OFFICE}.spreadsheetml.sheet",
}
# The compound file of older office programs; only the file's name tells which program.
_COMPOUND_START = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_COMPOUND_TYPES = {".xls": "application/vnd.ms-excel", ".ppt": "application/vnd.ms-powerpoint"}
_MAX_MIMETYPE_BYTES = 100
# The system's tables differ between machines; these types must be the same on all.
_EXTENSIONS = {"image/jpeg": ".jpg", PLAIN_TEXT: ".txt", "image/webp": ".webp"}


def media_type(source: bytes | Path, claimed: str | None, name: str) -> str:
    """Return the media type of a file. Blocks if `source` is a path.

    Args:
        source: the content, or its path.
        claimed: the type in a header or data URL, with or without parameters.
        name: the file's name; its extension decides between types with the same content.
    """
    head = source[:HEAD_BYTES] if isinstance(source, bytes) else _head_of(source)
    if found := _from_content(head, source, name):
        return found
    said = (claimed or "").partition(";")[0].strip().lower()
    if _MEDIA_TYPE.fullmatch(said) and said not in _UNKNOWN:
        return said
    if said in _UNKNOWN and not _is_text(head):
        return "application/octet-stream"
    return PLAIN_TEXT


def extension(kind: str) -> str:
    """Return the usual extension of a type with its dot, such as `.png`; '' for an unknown type."""
    return _EXTENSIONS.get(kind) or mimetypes.guess_extension(kind) or ""


def _head_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _from_content(head: bytes, source: bytes | Path, name: str) -> str | None:
    if head.startswith(_ZIP_START):
        return _zip_type(source)
    if head.startswith(_COMPOUND_START):
        return _COMPOUND_TYPES.get(Path(name).suffix.lower(), "application/msword")
    for offset, magic, kind in _MAGIC:
        is_there = head[offset : offset + len(magic)] == magic
        if is_there and (kind not in _RIFF_TYPES or head.startswith(b"RIFF")):
            return kind
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:14].lower()
    return "text/html" if start.startswith((b"<!doctype html", b"<html")) else None


def _zip_type(source: bytes | Path) -> str:
    """Return the type of a zip archive: an office document or e-book by its members, else zip."""
    try:
        with zipfile.ZipFile(BytesIO(source) if isinstance(source, bytes) else source) as archive:
            names = archive.namelist()
            if "mimetype" in names:  # OpenDocument and EPUB name their type in this member
                with archive.open("mimetype") as member:
                    said = member.read(_MAX_MIMETYPE_BYTES).decode("ascii", "replace").strip()
                return said if _MEDIA_TYPE.fullmatch(said) else "application/zip"
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError, zlib.error):
        # A RuntimeError means an encrypted member.
        return "application/zip"
    if "[Content_Types].xml" in names:
        for folder, kind in _OFFICE_FOLDERS.items():
            if any(entry.startswith(folder) for entry in names):
                return kind
    return "application/zip"


def _is_text(head: bytes) -> bool:
    if b"\x00" in head:
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"  # a character cut by the end of the head
    return True
