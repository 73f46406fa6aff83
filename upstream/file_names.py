"""Names of files that come from outside: safe to show and to send, never used as a path."""

import re
from email.message import Message
from pathlib import PurePosixPath

from upstream.media_types import extension

_MAX_STEM_CHARS = 120
_MAX_SUFFIX_CHARS = 12
_DEFAULT_STEM = "file"
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def safe_name(written: str, media_type: str) -> str:
    """Return the last step of a name or path, cleaned, with an ending that fits the type."""
    last = _FORBIDDEN.sub("", written).replace("\\", "/").rsplit("/", 1)[-1].strip(" .")
    path = PurePosixPath(last or _DEFAULT_STEM)
    is_suffix = 1 < len(path.suffix) <= _MAX_SUFFIX_CHARS
    stem = path.stem if is_suffix else path.name
    return stem[:_MAX_STEM_CHARS] + (path.suffix if is_suffix else extension(media_type))


def disposition_name(header: str | None) -> str:
    """Return the file name in a Content-Disposition header, in either of its spellings."""
    if not header:
        return ""
    message = Message()
    message["Content-Disposition"] = _FORBIDDEN.sub("", header)
    return message.get_filename() or ""
