"""Names of stored pictures and files, the same in every store (spec 9).

    images/0f3c5a…9e.png        32 random hexadecimal digits and an extension

Nothing that the upstream or a caller wrote becomes part of a path. The extension is all that is
kept about the kind of a file, so it decides the media type when the file is served.
"""

import re
from mimetypes import MimeTypes
from pathlib import PurePath
from secrets import token_hex

FOLDERS = ("images", "files")
INLINE_EXTENSIONS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
}
_NAME = re.compile(r"[0-9a-f]{32}(\.[a-z0-9]{1,10})?", re.ASCII)
_EXTENSION = re.compile(r"[a-z0-9]{1,10}", re.ASCII)
_OFFICE = "application/vnd.openxmlformats-officedocument."
_MORE_TYPES = {  # what ChatGPT makes and the standard library of Python 3.11 does not know
    "image/webp": ".webp",
    "text/markdown": ".md",
    f"{_OFFICE}wordprocessingml.document": ".docx",
    f"{_OFFICE}spreadsheetml.sheet": ".xlsx",
    f"{_OFFICE}presentationml.presentation": ".pptx",
}


def _media_types() -> MimeTypes:
    types = MimeTypes(filenames=())  # without the machine's own tables, which differ
    for media_type, extension in _MORE_TYPES.items():
        types.add_type(media_type, extension)
    return types


_TYPES = _media_types()


def new_name(name: str, media_type: str) -> str:
    """Return a new unguessable name, for example `0f3c5a…9e.png`.

    It keeps the extension of the given name if that is short and plain.
    """
    extension = _extension(name, media_type)
    stem = token_hex(16)
    return f"{stem}.{extension}" if extension else stem


def is_name(folder: str, name: str) -> bool:
    """Tell whether folder and name, both untrusted, can name a stored file."""
    return folder in FOLDERS and _NAME.fullmatch(name) is not None


def type_of(name: str) -> str:
    """Return the media type for a name's extension, such as `image/png` for `….png`."""
    media_type, encoding = _TYPES.guess_type(name)
    return media_type if media_type and not encoding else "application/octet-stream"


def is_inline(media_type: str) -> bool:
    """Tell whether browsers may show this type in place instead of saving it."""
    return media_type in INLINE_EXTENSIONS


def checked_folder(folder: str) -> str:
    """Return the folder unchanged if it is one of `FOLDERS`.

    Raises:
        ValueError: there is no such folder.
    """
    if folder not in FOLDERS:
        message = f"no such folder: {folder}"
        raise ValueError(message)
    return folder


def _extension(name: str, media_type: str) -> str:
    """Return the name's extension without its dot if it is plain, else the type's usual one."""
    media_type = media_type.partition(";")[0].strip().lower()
    given = PurePath(name).suffix.removeprefix(".").lower()
    if not _EXTENSION.fullmatch(given):
        given = ""
    if media_type in INLINE_EXTENSIONS and type_of(f"x.{given}") != media_type:
        return INLINE_EXTENSIONS[media_type]
    return given or (_TYPES.guess_extension(media_type) or "").removeprefix(".")
